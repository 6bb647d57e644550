-- Join, or stay among, the processes that share the connections of one instance.
--
-- What is granted to others is never granted twice: who comes later gets what they leave, and its
-- full share once they have come by again. Work is bounded by the most processes.
--
-- KEYS  1 callers  2 shares: what each may have open, and how many calls it has under way
-- ARGV  1 token  2 lifetime, ms  3 connections of all processes  4 most of this process
--       5 connections that it may have open now  6 calls that it has under way
--       7 most processes
-- Returns  how many connections this process may use
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('HDEL', KEYS[2], gone)
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
local count = redis.call('ZCARD', KEYS[1])
if count > tonumber(ARGV[7]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
local left = tonumber(ARGV[3])
for _, entry in ipairs(redis.call('HVALS', KEYS[2])) do
  left = left - tonumber(string.match(entry, '^%d+'))
end
local fair = math.max(1, math.floor(tonumber(ARGV[3]) / count))
local share = math.max(0, math.min(fair, left, tonumber(ARGV[4])))
redis.call('HSET', KEYS[2], ARGV[1], math.max(share, tonumber(ARGV[5])) .. ' ' .. ARGV[6])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
redis.call('PEXPIREAT', KEYS[2], last[2])
return share

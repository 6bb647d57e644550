-- Take sessions out of the index of sessions whose record has run out.
--
-- KEYS  1 activity  2 clock
-- ARGV  1 prefix of the session hashes  2 record kept, ms  3 most sessions
-- Returns  how many were taken out
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[2]) or 0)
-- A record may outlive its place in the index by the time between two commands.
local before = now - tonumber(ARGV[2]) - 1000
local forgotten = 0
local old = redis.call('ZRANGE', KEYS[1], '-inf', before, 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, key in ipairs(old) do
  if redis.call('EXISTS', ARGV[1] .. key) == 0 then
    forgotten = forgotten + redis.call('ZREM', KEYS[1], key)
  else
    -- Kept beyond its time because commands wait: look again later.
    redis.call('ZADD', KEYS[1], now, key)
  end
end
return forgotten

-- Keep a session alive from now on, or no more.
--
-- KEYS  1 session  2 refresh  3 clock  4 idle
-- ARGV  1 session key  2 '1' to keep it alive
-- Returns  1, or 0 if there is no such session or it has ended
local s = redis.call('HMGET', KEYS[1], 'state', 'sid')
if not s[1] or s[1] == 'ended' then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[3]) or 0)
if ARGV[2] ~= '1' then
  redis.call('HDEL', KEYS[1], 'keep')
  redis.call('ZREM', KEYS[2], ARGV[1])
  -- While it was kept alive nobody looked whether it is idle; a sleeping one has no need of it.
  if s[2] ~= '' then redis.call('ZADD', KEYS[4], now, ARGV[1]) end
  return 1
end
redis.call('HSET', KEYS[1], 'keep', 1)
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 1

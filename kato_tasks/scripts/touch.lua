-- Note that a session is in use.
--
-- KEYS  1 session  2 activity  3 clock  4 journal
-- ARGV  1 session key  2 record kept, ms
-- Returns  1, or 0 if there is no such session or it has ended
local state = redis.call('HGET', KEYS[1], 'state')
if not state or state == 'ended' then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[3]) or 0)
redis.call('HSET', KEYS[1], 'active_ms', now)
redis.call('ZADD', KEYS[2], now, ARGV[1])
-- While commands wait it is kept for ever.
if redis.call('PTTL', KEYS[1]) >= 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[4], ARGV[2])
end
return 1

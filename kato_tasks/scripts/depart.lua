-- Note that a session is about to move, and read what made it what it is. Deliveries go on.
--
-- KEYS  1 session  2 journal  3 clock
-- ARGV  1 token of who moves it  2 for how long it counts as moving, ms
-- Returns  {'unknown'}, {'ended'}, {'parked'} or {'moving'}
--     or   {'ok', spec, node, instance, sid, observations that were cut off, entries}
local s = redis.call('HMGET', KEYS[1], 'spec', 'node', 'instance', 'sid', 'state', 'cut', 'parked',
  'moving', 'moving_ms', 'appended', 'applied')
if not s[1] then return {'unknown'} end
if s[5] == 'ended' and s[10] == s[11] then return {'ended'} end
if s[7] then return {'parked'} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[3]) or 0)
if s[8] and s[8] ~= ARGV[1] and tonumber(s[9]) > now then return {'moving'} end
redis.call('HSET', KEYS[1], 'moving', ARGV[1], 'moving_ms', now + ARGV[2])
return {'ok', s[1], s[2], s[3], s[4], tonumber(s[6] or 0), redis.call('LRANGE', KEYS[2], 0, -1)}

-- Note that a session is about to move, and read what made it what it is. Deliveries go on.
--
-- KEYS  1 session  2 journal  3 clock
-- ARGV  1 token of who moves it  2 for how long it counts as moving, ms
-- Returns  {'unknown'}, {'ended'}, {'parked'} or {'moving'}
--     or   {'ok', spec, node, instance, sid, how the server learns, state, observations that were cut off, entries}
local s = redis.call('HMGET', KEYS[1], 'spec', 'node', 'instance', 'sid', 'learning', 'state', 'cut',
  'parked', 'moving', 'moving_ms', 'appended', 'applied')
if not s[1] then return {'unknown'} end
if s[6] == 'ended' and s[11] == s[12] then return {'ended'} end
if s[8] then return {'parked'} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[3]) or 0)
if s[9] and s[9] ~= ARGV[1] and tonumber(s[10]) > now then return {'moving'} end
redis.call('HSET', KEYS[1], 'moving', ARGV[1], 'moving_ms', now + ARGV[2])
return {'ok', s[1], s[2], s[3], s[4], s[5] or '0', s[6], tonumber(s[7] or 0),
  redis.call('LRANGE', KEYS[2], 0, -1)}

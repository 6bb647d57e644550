-- Let a session count as moving for longer; have turns of deliveries give way to who moves it.
--
-- KEYS  1 session  2 clock
-- ARGV  1 token of who moves it  2 for how long it counts as moving, ms
--       3 for how long a turn ends after the call that it is in, ms, or ''
-- Returns  1, or 0 if somebody else moves it, or nobody
if redis.call('HGET', KEYS[1], 'moving') ~= ARGV[1] then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[2]) or 0)
redis.call('HSET', KEYS[1], 'moving_ms', now + ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'way_ms', now + ARGV[3]) end
return 1

-- Tell whether an instance may be called; once a pause is over, let one caller probe it.
--
-- KEYS  1 breaker
-- ARGV  1 token of the caller  2 longest call, ms  3 pause while somebody else probes, ms
-- Returns  {'closed', failures in a row}
--     or   {'pause', how long, ms}
--     or   {'probe'}: the caller calls, and reports what came of it
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local b = redis.call('HMGET', KEYS[1], 'until', 'prober', 'probed_until', 'failures')
if not b[1] then return {'closed', tonumber(b[4] or 0)} end
if now < tonumber(b[1]) then return {'pause', tonumber(b[1]) - now} end
local left = tonumber(b[3] or 0) - now
-- A caller that asks twice is still the only one.
if left > 0 and b[2] ~= ARGV[1] then return {'pause', math.min(left, tonumber(ARGV[3]))} end
redis.call('HSET', KEYS[1], 'prober', ARGV[1], 'probed_until', now + tonumber(ARGV[2]))
return {'probe'}

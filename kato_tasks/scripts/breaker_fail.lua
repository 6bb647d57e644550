-- Count a failed call: enough in a row open the breaker, a failed probe doubles its pause.
--
-- KEYS  1 breaker
-- ARGV  1 token of the caller  2 failures in a row that open it  3 first pause, ms
--       4 longest pause, ms  5 breaker kept, ms
-- Returns  how long nobody shall call, ms; 0 if it is closed or has nothing to say
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local b = redis.call('HMGET', KEYS[1], 'until', 'prober', 'pause')
local pause = tonumber(ARGV[3])
if b[1] then
  -- Calls that began before it opened prove nothing new, and end nobody else's probe.
  if now < tonumber(b[1]) then return tonumber(b[1]) - now end
  if b[2] ~= ARGV[1] then return 0 end
  pause = tonumber(b[3]) * 2
end
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
if failures < tonumber(ARGV[2]) then return 0 end
pause = math.min(pause, tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], 'until', now + pause, 'pause', pause)
redis.call('HDEL', KEYS[1], 'prober', 'probed_until')
return pause

-- Find lanes with work that nobody works on, and put off their next look, so that two sweeps do
-- not call to the same lane. All lease keys lie in the slot of KEYS[1].
--
-- KEYS  1 ready  2 clock
-- ARGV  1 prefix of the lease keys  2 most lanes  3 wake-up grace, ms
--       4 longest time for which a look is ever put off, ms
-- Returns  the session keys
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[2]) or 0)
local found = {}
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
-- What is put off for longer was put off by a clock that was wrong at that moment.
local far = redis.call('ZRANGE', KEYS[1], '(' .. now + ARGV[4], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, key in ipairs(far) do due[#due + 1] = key end
for _, key in ipairs(due) do
  -- A lane at work is looked at again when its lease runs out, if that is renewed no more.
  local left = redis.call('PTTL', ARGV[1] .. key)
  if left < 0 then
    found[#found + 1] = key
    left = tonumber(ARGV[3])
  end
  redis.call('ZADD', KEYS[1], now + math.min(left + 1, tonumber(ARGV[3])), key)
end
return found

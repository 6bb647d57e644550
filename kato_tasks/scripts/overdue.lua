-- Find lanes with work that nobody works on, and put off their next look, so that two sweeps do
-- not call to the same lane. All lease keys lie in the slot of KEYS[1].
--
-- KEYS  1 ready
-- ARGV  1 prefix of the lease keys  2 most lanes  3 wake-up grace, ms
-- Returns  the session keys
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = {}
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, key in ipairs(due) do
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), key)
  if redis.call('EXISTS', ARGV[1] .. key) == 0 then found[#found + 1] = key end
end
return found

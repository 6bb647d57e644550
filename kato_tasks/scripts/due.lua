-- Find the sessions that somebody has to look at, and put off the next look at them, so that two
-- sweeps do not look at the same one. All records lie in the slot of KEYS[1].
--
-- KEYS  1 index of sessions by their next look  2 clock
-- ARGV  1 prefix of the session hashes  2 most sessions  3 put off, ms
-- Returns  the session keys; parked ones wait for a person, and are looked at after that
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[2]) or 0)
local found = {}
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, key in ipairs(due) do
  local s = redis.call('HMGET', ARGV[1] .. key, 'spec', 'parked')
  if s[1] then
    if not s[2] then found[#found + 1] = key end
    redis.call('ZADD', KEYS[1], now + ARGV[3], key)
  else
    redis.call('ZREM', KEYS[1], key)
  end
end
return found

-- Give back a lease that guards no lane.
--
-- KEYS  1 lease
-- ARGV  1 token
-- Returns  1, or 0 if the lease is not ours
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

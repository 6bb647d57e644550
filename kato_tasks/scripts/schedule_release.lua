-- Give the lease of the schedule back.
--
-- KEYS  1 lease
-- ARGV  1 token
-- Returns  1, or 0 if it was not ours any more
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])

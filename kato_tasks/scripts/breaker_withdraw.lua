-- Give back a probe that was not made: the next caller gets it.
--
-- KEYS  1 breaker
-- ARGV  1 token of the caller
-- Returns  1, or 0 if the caller had none
if redis.call('HGET', KEYS[1], 'prober') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'prober', 'probed_until')
return 1

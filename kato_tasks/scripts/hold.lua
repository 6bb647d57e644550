-- Hold a session whose last call may or may not have taken effect: its commands stay in the
-- lane and its intent stays in the record, until somebody has looked.
--
-- KEYS  1 session  2 lease  3 ready  4 stats
-- ARGV  1 session key  2 token  3 why
-- Returns  1, or 0 if the lease is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'doubt', ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HINCRBY', KEYS[4], 'held', 1)
return 1

-- Bind a session to the server-side session that was made for it.
--
-- KEYS  1 session  2 lease
-- ARGV  1 token  2 epoch before  3 sid
-- Returns  the epoch after, or 0 if the lease or the epoch is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'bind')
redis.call('HSET', KEYS[1], 'sid', ARGV[3], 'time', 0, 'state', 'active')
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

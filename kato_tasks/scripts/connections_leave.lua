-- Leave the processes that share the connections of one instance.
--
-- KEYS  1 callers  2 shares
-- ARGV  1 token
-- Returns  1, or 0 if it was not among them
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])

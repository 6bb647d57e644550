-- Give a share in a node's calls back.
--
-- KEYS  1 holders
-- ARGV  1 token
-- Returns  1, or 0 if the share was not ours any more
return redis.call('ZREM', KEYS[1], ARGV[1])

-- Take a share in the calls of one node, all workers together.
--
-- The holders are never more than the limit, at most 100: so the work is bounded.
--
-- KEYS  1 holders  2 mark of a node whose calls go one at a time
-- ARGV  1 token  2 how long the share lasts, ms  3 most shares while the node is unmarked
--       4 '1' if the session needs the node alone  5 mark kept, ms
-- Returns  0 if the node is not free, 1 for a share beside others, 2 for the node alone
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
-- Marked before it is free: from here on only those already at work are waited for.
if ARGV[4] == '1' then redis.call('SET', KEYS[2], 1, 'PX', ARGV[5]) end
local limit = tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[2]) == 1 then limit = 1 end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
-- A repeated call finds its own token: it takes no second share.
local own = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
local others = redis.call('ZCARD', KEYS[1]) - own
if own == 0 and others >= limit then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return limit == 1 and others == 0 and 2 or 1

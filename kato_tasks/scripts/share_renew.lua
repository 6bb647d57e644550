-- Renew a share in a node's calls that is still ours; one that lasts longer stays as it is.
--
-- KEYS  1 holders
-- ARGV  1 token  2 how long the share lasts, ms
-- Returns  1, or 0 if the share is not ours any more
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
if ends <= now then return 0 end
redis.call('ZADD', KEYS[1], 'GT', now + tonumber(ARGV[2]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], last[2])
return 1

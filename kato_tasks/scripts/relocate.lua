-- Say which instance a session is on, and change nothing else: no server has it, or both instances
-- show the same.
--
-- KEYS  1 session  2 lease  3 stats
-- ARGV  1 token  2 epoch before  3 position of the last delivered command  4 instance
--       5 how the server learns by itself in the session
-- Returns  the epoch after (again, if it is there already), or 0 if the lease, the epoch or the
--          position is not ours, or a call is in doubt
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'applied', 'instance', 'intent')
if s[3] == ARGV[4] and tonumber(s[1]) == tonumber(ARGV[2]) + 1 then return tonumber(s[1]) end
if s[1] ~= ARGV[2] or s[2] ~= ARGV[3] or s[4] then return 0 end
redis.call('HSETNX', KEYS[1], 'placed', s[3])
redis.call('HSET', KEYS[1], 'instance', ARGV[4], 'learning', ARGV[5])
redis.call('HINCRBY', KEYS[3], 'moved', 1)
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

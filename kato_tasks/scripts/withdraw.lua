-- Take an intent back whose call is known not to have happened, and keep the lease.
-- The epoch rises: a run of this that comes late can take back no later intent.
--
-- KEYS  1 session  2 lease
-- ARGV  1 token  2 epoch before
-- Returns  the epoch after (again, if that is so already), or 0 if the lease or the epoch is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'intent')
if not s[2] and tonumber(s[1]) == tonumber(ARGV[2]) + 1 then return tonumber(s[1]) end
if s[1] ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'intent', 'intent_ms', 'ruling', 'doubt')
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

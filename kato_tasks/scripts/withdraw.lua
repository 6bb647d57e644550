-- Take an intent back whose call is known not to have happened, and keep the lease.
--
-- KEYS  1 session  2 lease
-- ARGV  1 token  2 epoch
-- Returns  1 (again, if there is none), or 0 if the lease or the epoch is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'intent', 'intent_ms', 'doubt')
return 1

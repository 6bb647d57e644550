-- Take the lease of the schedule, or renew it.
--
-- KEYS  1 lease
-- ARGV  1 token  2 who that is, for people  3 lease, ms
-- Returns  1, or 0 if another has it
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'holder', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1

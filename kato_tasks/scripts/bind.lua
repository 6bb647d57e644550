-- Bind a session to the server-side session that was made for it: its first one, or the first
-- after its end.
--
-- KEYS  1 session  2 lease
-- ARGV  1 token  2 epoch before  3 sid  4 how the server learns by itself in it
-- Returns  the epoch after (again, if it is bound so already), or 0 if the lease or the epoch is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'sid')
if s[2] == ARGV[3] and tonumber(s[1]) == tonumber(ARGV[2]) + 1 then return tonumber(s[1]) end
if s[1] ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'bind', 'suspect')
redis.call('HSET', KEYS[1], 'sid', ARGV[3], 'time', 0, 'events', 0, 'state', 'active',
  'learning', ARGV[4])
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

-- Read the commands that made a session what it is.
--
-- KEYS  1 session  2 lease  3 journal
-- ARGV  1 token  2 epoch  3 position of the last delivered command
-- Returns  {observations that were cut off, entries}, or {} if the lease, the epoch or the position is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {} end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'applied', 'cut')
if s[1] ~= ARGV[2] or s[2] ~= ARGV[3] then return {} end
return {tonumber(s[3] or 0), redis.call('LRANGE', KEYS[3], 0, -1)}

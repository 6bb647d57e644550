-- Take, renew, or take over from the session's last worker, the right to learn on one node.
--
-- KEYS  1 learner  2 session that took the right last
-- ARGV  1 token  2 session key  3 how long the right is kept, ms
--       4 whose right is over, as an earlier run has answered, or ''
--       5 '1' to take it only if no other session has taken it since this one did
--       6 how long it is remembered who took it, ms
-- Returns  '' if it is taken, or who has it: a token, a space and a session key; ' ' for nobody any more
local held = redis.call('GET', KEYS[1])
if ARGV[5] == '1' then
  if redis.call('GET', KEYS[2]) ~= ARGV[2] then return held or ' ' end
elseif held and held ~= ARGV[4] and
  string.sub(held, string.find(held, ' ', 1, true) + 1) ~= ARGV[2] then return held end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[6])
return ''

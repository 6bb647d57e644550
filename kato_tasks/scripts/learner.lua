-- Take, renew, or take over from the session's last worker, the right to learn on one node.
--
-- KEYS  1 learner
-- ARGV  1 token  2 session key  3 how long the right is kept, ms
-- Returns  1, or 0 if another session has it
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, string.find(held, ' ', 1, true) + 1) ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 1

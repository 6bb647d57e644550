-- Take, or renew, the right to learn on one node.
--
-- KEYS  1 learner
-- ARGV  1 holder  2 how long the right is kept, ms
-- Returns  1, or 0 if somebody else has it
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

-- Write down what is about to be sent. Nothing is sent without it.
--
-- KEYS  1 session  2 lease  3 clock
-- ARGV  1 token  2 epoch  3 position of the first command  4 intent (JSON)
-- Returns  1 (again, if the same intent is there already), or 0 if the lease, the epoch or the position is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'applied', 'intent')
if s[1] ~= ARGV[2] or tonumber(s[2]) + 1 ~= tonumber(ARGV[3]) then return 0 end
if s[3] then return s[3] == ARGV[4] and 1 or 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[3]) or 0)
redis.call('HSET', KEYS[1], 'intent', ARGV[4], 'intent_ms', now)
return 1

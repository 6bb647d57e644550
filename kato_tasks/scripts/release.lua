-- Give a lease back with work left: nothing of it was sent, or the call that was intended is
-- known not to have happened, or it has to be looked at later.
--
-- KEYS  1 session  2 lane  3 lease  4 ready  5 journal  6 clock
-- ARGV  1 session key  2 token  3 pause before the lane is looked at again, ms
--       4 most commands per call from now on, or ''  5 '1' if a call failed,
--       '2' if the server failed at the first command itself, '3' if a replay gave another memory
--       6 record kept, ms  7 what is in doubt, or ''; then the intent stays
-- Returns  1, or 0 if the lease is not ours
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[3])
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'doubt', ARGV[7])
else
  redis.call('HDEL', KEYS[1], 'intent', 'intent_ms', 'doubt')
end
if ARGV[5] ~= '0' then redis.call('HINCRBY', KEYS[1], 'attempts', 1) end
if ARGV[5] == '2' then redis.call('HINCRBY', KEYS[1], 'failures', 1) end
if ARGV[5] == '3' then redis.call('HINCRBY', KEYS[1], 'replays', 1) end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'most', ARGV[4], 'attempts', 0, 'failures', 0) end
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('HEXISTS', KEYS[1], 'bind') == 0 then
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  redis.call('PEXPIRE', KEYS[5], ARGV[6])
  return 1
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[6]) or 0)
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[3]), ARGV[1])
return 1

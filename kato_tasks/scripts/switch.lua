-- Bind a session to the server-side session that was made anew of its journal, or to the one it
-- has: then that is known to be what it must be.
--
-- KEYS  1 session  2 lease  3 stats
-- ARGV  1 token  2 epoch before  3 position of the last delivered command
--       4 sid  5 time  6 events  7 why  8 intent that stays in doubt (JSON), or ''
-- Returns  the epoch after (again, if it is bound so already), or 0 if the lease, the epoch or the position is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'applied', 'sid')
if s[3] == ARGV[4] and tonumber(s[1]) == tonumber(ARGV[2]) + 1 then return tonumber(s[1]) end
if s[1] ~= ARGV[2] or s[2] ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], 'suspect', 'doubt')
if ARGV[8] == '' then
  redis.call('HDEL', KEYS[1], 'intent', 'intent_ms')
else
  local clock = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'intent', ARGV[8],
    'intent_ms', clock[1] * 1000 + math.floor(clock[2] / 1000))
end
if s[3] ~= ARGV[4] then
  redis.call('HINCRBY', KEYS[1], 'rehomed', 1)
  redis.call('HINCRBY', KEYS[3], 'rehomed', 1)
  redis.call('HSET', KEYS[1], 'why', ARGV[7])
end
redis.call('HSET', KEYS[1], 'sid', ARGV[4], 'time', ARGV[5], 'events', ARGV[6])
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

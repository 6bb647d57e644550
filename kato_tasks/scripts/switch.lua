-- Bind a session to the server-side session that was made anew of its journal, or to the one it
-- has: then that is known to be what it must be.
--
-- KEYS  1 session  2 lease  3 stats  4 idle  5 refresh  6 clock
-- ARGV  1 token  2 epoch before  3 position of the last delivered command
--       4 sid  5 time  6 events  7 why  8 intent that stays in doubt (JSON), or ''
--       9 session key  10 lifetime at the server, s, or ''
--       11 when somebody looks whether it is idle, ms from now, or ''
--       12 when somebody looks whether it is kept alive, ms from now, or ''
--       13 the instance it is on from now on, or '' if it stays where it is
--       14 how the server learns by itself in it, or '' if that stays
-- Returns  the epoch after (again, if it is bound so already), or 0 if the lease, the epoch or the position is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'applied', 'sid', 'state', 'instance')
if s[3] == ARGV[4] and tonumber(s[1]) == tonumber(ARGV[2]) + 1 then return tonumber(s[1]) end
if s[1] ~= ARGV[2] or s[2] ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], 'suspect', 'doubt', 'replays')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[6]) or 0)
if ARGV[8] == '' then
  redis.call('HDEL', KEYS[1], 'intent', 'intent_ms', 'bind')
else
  redis.call('HSET', KEYS[1], 'intent', ARGV[8], 'intent_ms', now)
end
if s[3] ~= ARGV[4] then
  if s[4] == 'hibernated' then
    redis.call('HSET', KEYS[1], 'state', 'active')
    redis.call('HDEL', KEYS[1], 'stm')
    redis.call('HINCRBY', KEYS[3], 'woken', 1)
  elseif ARGV[13] == '' then
    redis.call('HINCRBY', KEYS[1], 'rehomed', 1)
    redis.call('HINCRBY', KEYS[3], 'rehomed', 1)
    redis.call('HSET', KEYS[1], 'why', ARGV[7])
  end
  redis.call('HDEL', KEYS[1], 'lifetime', 'adopted')
  redis.call('HSET', KEYS[1], 'fresh_ms', now)
  if ARGV[10] ~= '' then redis.call('HSET', KEYS[1], 'lifetime', ARGV[10]) end
  if ARGV[11] ~= '' then redis.call('ZADD', KEYS[4], 'LT', now + ARGV[11], ARGV[9]) end
  if ARGV[12] ~= '' and redis.call('HEXISTS', KEYS[1], 'keep') == 1 then
    redis.call('ZADD', KEYS[5], now + ARGV[12], ARGV[9])
  end
end
if ARGV[14] ~= '' then redis.call('HSET', KEYS[1], 'learning', ARGV[14]) end
if ARGV[13] ~= '' and ARGV[13] ~= s[5] then
  -- Callers who name the instance that it was placed on go on to mean this session.
  redis.call('HSETNX', KEYS[1], 'placed', s[5])
  redis.call('HSET', KEYS[1], 'instance', ARGV[13])
  redis.call('HINCRBY', KEYS[3], 'moved', 1)
end
redis.call('HSET', KEYS[1], 'sid', ARGV[4], 'time', ARGV[5], 'events', ARGV[6])
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

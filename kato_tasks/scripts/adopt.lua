-- Register a session as one that its server has already, with a journal made of what it remembers.
--
-- KEYS  1 session  2 journal  3 activity  4 idle  5 refresh  6 stats  7 clock
-- ARGV  1 session key  2 spec (JSON)  3 node  4 instance  5 sid  6 time  7 events
--       8 how the server learns by itself in it  9 lifetime at the server, s, or ''
--       10 for how long that has been running, ms  11 when it ends for good, ms from now, or ''
--       12 when somebody looks whether it is idle, ms from now, or ''
--       13 observations before those of the journal  14 record kept, ms
--       15.. the entries of the journal
-- Returns  1 (again, if it is registered so already), or 0 if the key names another session, or
--          one that is in use
local session, journal, key = KEYS[1], KEYS[2], ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[7]) or 0)
local s = redis.call('HMGET', session, 'node', 'instance', 'state', 'sid', 'time', 'appended', 'applied',
  'ends_ms')
if s[1] then
  local waits = s[6] ~= s[7]
  local past = s[8] and now > tonumber(s[8])
  if waits or not (past or s[3] == 'ended') then
    local same = s[2] == ARGV[4] and s[4] == ARGV[5] and s[5] == ARGV[6]
    return same and not waits and 1 or 0
  end
  -- Its positions go on, so that no receipt of before means a command of the new session.
  redis.call('HDEL', session, 'keep', 'ends_ms', 'lifetime', 'wrote_ms', 'placed', 'stm', 'intent', 'intent_ms',
    'doubt', 'suspect', 'bind', 'parked', 'letter', 'why', 'replays')
else
  redis.call('HSET', session, 'appended', 0, 'applied', 0)
end
redis.call('HSET', session, 'spec', ARGV[2], 'node', ARGV[3], 'instance', ARGV[4], 'sid', ARGV[5],
  'time', ARGV[6], 'events', ARGV[7], 'learning', ARGV[8], 'state', 'active', 'cut', ARGV[13], 'adopted', 1,
  'created_ms', now, 'active_ms', now, 'fresh_ms', now - ARGV[10])
if ARGV[9] ~= '' then redis.call('HSET', session, 'lifetime', ARGV[9]) end
if ARGV[11] ~= '' then redis.call('HSET', session, 'ends_ms', now + ARGV[11]) end
redis.call('HINCRBY', session, 'epoch', 1)
redis.call('DEL', journal)
for i = 15, #ARGV, 1000 do
  redis.call('RPUSH', journal, unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('ZADD', KEYS[3], now, key)
redis.call('ZREM', KEYS[5], key)
if ARGV[12] == '' then redis.call('ZREM', KEYS[4], key)
else redis.call('ZADD', KEYS[4], now + ARGV[12], key) end
redis.call('HINCRBY', KEYS[6], 'adopted', 1)
redis.call('PEXPIRE', session, ARGV[14])
redis.call('PEXPIRE', journal, ARGV[14])
return 1

-- Give the lease of a session back that nothing waits for: it goes on, sleeps, or has ended.
--
-- KEYS  1 session  2 lane  3 lease  4 ready  5 activity  6 stats  7 journal  8 idle  9 refresh  10 clock
-- ARGV  1 session key  2 token  3 epoch  4 state from now on (hibernated, ended), or '' if it goes on
--       5 memory it is put to sleep with (JSON), or ''
--       6 why it may not be what we know of it, so that a worker makes it anew, or ''
--       7 when somebody looks whether it is idle, ms from now, or '' for never
--       8 when somebody looks whether it is kept alive, ms from now, or '' for never
--       9 record kept, ms  10 last use that it is put to sleep or ended for, ms, or ''
--       11 '1' if it was kept alive then
--       12.. entries that its journal holds from now on; none if those stay that it holds
-- Returns  1, or 0 if the lease or the epoch is not ours, or 2 if commands wait, or it was used since:
--          it goes on then
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[3] then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[10]) or 0)
redis.call('DEL', KEYS[3])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'suspect', ARGV[6]) end
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('HEXISTS', KEYS[1], 'bind') == 1 then
  redis.call('ZADD', KEYS[4], now, ARGV[1])
  return 2
end
local kept = redis.call('HEXISTS', KEYS[1], 'keep') == 1
local used = redis.call('HGET', KEYS[1], 'active_ms') ~= ARGV[10] or (kept and ARGV[11] ~= '1')
if ARGV[10] ~= '' and used then
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[9])
  redis.call('PEXPIRE', KEYS[7], ARGV[9])
  return 2
end
local function look(index, pause)
  if pause == '' then redis.call('ZREM', index, ARGV[1])
  else redis.call('ZADD', index, now + pause, ARGV[1]) end
end
look(KEYS[8], ARGV[7])
look(KEYS[9], ARGV[8])
if ARGV[6] ~= '' then
  redis.call('HSET', KEYS[1], 'bind', redis.call('HGET', KEYS[1], 'appended'))
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[7])
  redis.call('ZADD', KEYS[4], now, ARGV[1])
  return 1
end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'sid', '', 'state', ARGV[4])
  redis.call('HDEL', KEYS[1], 'intent', 'intent_ms', 'doubt', 'suspect', 'lifetime', 'stm')
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
  redis.call('HINCRBY', KEYS[6], ARGV[4], 1)
end
if ARGV[4] == 'ended' then
  redis.call('DEL', KEYS[7])
  redis.call('HDEL', KEYS[1], 'cut', 'keep', 'ends_ms')
  redis.call('ZREM', KEYS[5], ARGV[1])
end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'stm', ARGV[5]) end
if ARGV[12] then
  redis.call('DEL', KEYS[7])
  for i = 12, #ARGV, 1000 do
    redis.call('RPUSH', KEYS[7], unpack(ARGV, i, math.min(i + 999, #ARGV)))
  end
end
redis.call('ZREM', KEYS[4], ARGV[1])
-- A hash that once held a value of more than 64 bytes, as an intent is, takes three times the room
-- until it is written anew.
local left = redis.call('PTTL', KEYS[1])
local fields, short = redis.call('HGETALL', KEYS[1]), true
for _, field in ipairs(fields) do short = short and #field <= 64 end
if short then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], unpack(fields))
end
-- A look is no use: it does not make a record stay for longer, unless it is kept alive.
local stays = (ARGV[4] == '' and not kept and left > 0) and left or ARGV[9]
redis.call('PEXPIRE', KEYS[1], stays)
redis.call('PEXPIRE', KEYS[7], stays)
return 1

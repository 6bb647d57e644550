-- Take delivered commands out of the lane and go on, or give the lease back. Repeating it is
-- refused, because the position has moved.
--
-- KEYS  1 session  2 lane  3 lease  4 ready  5 activity  6 outcomes  7 dead  8 stats
-- ARGV  1 session key  2 token  3 epoch  4 position of the first command  5 number of commands
--       6 time after  7 outcome (JSON) or ''  8 '1' if they are dead letters  9 '1' to unbind
--       10 most commands to read next, 0 to give the lease back
--       11 lease, ms  12 outcomes remembered  13 outcomes kept, ms  14 dead letters kept
--       15 record kept, ms  16 pause before the sweep looks at what is left, ms
--       17.. counter, increment, ...
-- Returns  {0} if the lease, the epoch or the position is not ours
--     or   {1, epoch, next entries}; no entries: the lease was given back
local session, lane, key = KEYS[1], KEYS[2], ARGV[1]
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return {0} end
local s = redis.call('HMGET', session, 'epoch', 'applied', 'intent')
local first, count = tonumber(ARGV[4]), tonumber(ARGV[5])
if s[1] ~= ARGV[3] or tonumber(s[2]) + 1 ~= first or not s[3] then return {0} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local epoch = tonumber(ARGV[3])

if ARGV[8] == '1' then
  for i, entry in ipairs(redis.call('LRANGE', lane, 0, count - 1)) do
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[14], '*', 'key', key,
      'seq', first + i - 1, 'entry', entry, 'outcome', ARGV[7])
  end
end
redis.call('LTRIM', lane, count, -1)
redis.call('HDEL', session, 'intent', 'most', 'attempts')
redis.call('HSET', session, 'applied', first + count - 1, 'time', ARGV[6], 'active_ms', now)
redis.call('ZADD', KEYS[5], now, key)
if ARGV[7] ~= '' then
  for i = 0, count - 1 do redis.call('ZADD', KEYS[6], first + i, first + i .. ' ' .. ARGV[7]) end
  redis.call('ZREMRANGEBYRANK', KEYS[6], 0, -1 - tonumber(ARGV[12]))
  redis.call('PEXPIRE', KEYS[6], ARGV[13])
end
if ARGV[9] == '1' then
  redis.call('HSET', session, 'sid', '', 'state', 'ended')
  -- A wish to have the session made counts if it came after this end of it.
  local bind = redis.call('HGET', session, 'bind')
  if bind and tonumber(bind) < first then redis.call('HDEL', session, 'bind') end
  epoch = redis.call('HINCRBY', session, 'epoch', 1)
end
for i = 17, #ARGV, 2 do redis.call('HINCRBY', KEYS[8], ARGV[i], ARGV[i + 1]) end

local more = tonumber(ARGV[10])
local entries = {}
if more > 0 then entries = redis.call('LRANGE', lane, 0, more - 1) end
if #entries > 0 then
  redis.call('PEXPIRE', KEYS[3], ARGV[11])
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[11]), key)
  return {1, epoch, entries}
end
redis.call('DEL', KEYS[3])
if redis.call('HGET', session, 'sid') ~= '' and redis.call('EXISTS', lane) == 0 then
  redis.call('HDEL', session, 'bind')
end
if redis.call('EXISTS', lane) == 1 or redis.call('HEXISTS', session, 'bind') == 1 then
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[16]), key)
else
  redis.call('ZREM', KEYS[4], key)
  redis.call('PEXPIRE', session, ARGV[15])
  if ARGV[9] == '1' then redis.call('ZREM', KEYS[5], key) end
end
return {1, epoch, entries}

-- Take delivered commands out of the lane, into the journal, and go on, or give the lease back.
-- Repeating it is refused, because the position has moved.
--
-- KEYS  1 session  2 lane  3 lease  4 ready  5 activity  6 outcomes  7 dead  8 stats  9 journal
--       10 idle  11 refresh  12 clock
-- ARGV  1 session key  2 token  3 epoch  4 position of the first command  5 number of commands
--       6 time after  7 events after  8 outcome (JSON) or ''  9 '1' if they are dead letters
--       10 '1' to unbind
--       11 'keep' to put them into the journal, 'empty' to empty it, or ''
--       12 mark to put into the journal after them, or ''  13 journal entries kept
--       14 spec from now on (JSON), or ''  15 how the server learns from now on, or ''
--       16 most commands to read next, 0 to give the lease back
--       17 lease, ms  18 outcomes remembered  19 outcomes kept, ms  20 dead letters kept
--       21 record kept, ms  22 pause before the sweep looks at what is left, ms
--       23.. counter, increment, ...
-- Returns  {0} if the lease, the epoch or the position is not ours
--     or   {1, epoch, next entries}; no entries: the lease was given back
local session, lane, journal, key = KEYS[1], KEYS[2], KEYS[9], ARGV[1]
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return {0} end
local s = redis.call('HMGET', session, 'epoch', 'applied', 'intent', 'way_ms')
local first, count = tonumber(ARGV[4]), tonumber(ARGV[5])
if s[1] ~= ARGV[3] or tonumber(s[2]) + 1 ~= first or not s[3] then return {0} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[12]) or 0)
local epoch = tonumber(ARGV[3])
local unbind = ARGV[10] == '1'

if ARGV[9] == '1' then
  for i, entry in ipairs(redis.call('LRANGE', lane, 0, count - 1)) do
    redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[20], '*', 'key', key,
      'seq', first + i - 1, 'entry', entry, 'outcome', ARGV[8])
  end
end
if ARGV[11] == 'keep' then
  local delivered = redis.call('LRANGE', lane, 0, count - 1)
  if #delivered > 0 then redis.call('RPUSH', journal, unpack(delivered)) end
elseif ARGV[11] == 'empty' or unbind then
  redis.call('DEL', journal)
  redis.call('HDEL', session, 'cut')
end
if ARGV[12] ~= '' then redis.call('RPUSH', journal, ARGV[12]) end
local surplus = redis.call('LLEN', journal) - tonumber(ARGV[13])
if surplus > 0 then
  local cut = 0
  for _, entry in ipairs(redis.call('LRANGE', journal, 0, surplus - 1)) do
    if string.sub(entry, 1, 1) == 'o' then cut = cut + 1 end
  end
  redis.call('LTRIM', journal, surplus, -1)
  redis.call('HINCRBY', session, 'cut', cut)
end
redis.call('LTRIM', lane, count, -1)
redis.call('HDEL', session, 'intent', 'intent_ms', 'most', 'attempts', 'failures', 'ruling', 'doubt')
redis.call('HSET', session, 'applied', first + count - 1, 'time', ARGV[6], 'events', ARGV[7],
  'active_ms', now, 'wrote_ms', now)
if ARGV[14] ~= '' then redis.call('HSET', session, 'spec', ARGV[14]) end
if ARGV[15] ~= '' then redis.call('HSET', session, 'learning', ARGV[15]) end
redis.call('ZADD', KEYS[5], now, key)
if ARGV[8] ~= '' then
  for i = 0, count - 1 do redis.call('ZADD', KEYS[6], first + i, first + i .. ' ' .. ARGV[8]) end
  redis.call('ZREMRANGEBYRANK', KEYS[6], 0, -1 - tonumber(ARGV[18]))
  redis.call('PEXPIRE', KEYS[6], ARGV[19])
end
if unbind then
  redis.call('HSET', session, 'sid', '', 'state', 'ended')
  redis.call('HDEL', session, 'suspect', 'keep', 'stm', 'lifetime', 'ends_ms')
  redis.call('ZREM', KEYS[10], key)
  redis.call('ZREM', KEYS[11], key)
  -- A wish to have the session made counts if it came after this end of it.
  local bind = redis.call('HGET', session, 'bind')
  if bind and tonumber(bind) < first then redis.call('HDEL', session, 'bind') end
  epoch = redis.call('HINCRBY', session, 'epoch', 1)
end
for i = 23, #ARGV, 2 do redis.call('HINCRBY', KEYS[8], ARGV[i], ARGV[i + 1]) end

local more = tonumber(ARGV[16])
-- Who moves the session waits for the lease, and has the lane taken up again.
if s[4] and tonumber(s[4]) > now then more = 0 end
local entries = {}
if more > 0 then entries = redis.call('LRANGE', lane, 0, more - 1) end
if #entries > 0 then
  redis.call('PEXPIRE', KEYS[3], ARGV[17])
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[17]), key)
  return {1, epoch, entries}
end
redis.call('DEL', KEYS[3])
if redis.call('HGET', session, 'sid') ~= '' and redis.call('EXISTS', lane) == 0
  and redis.call('HEXISTS', session, 'suspect') == 0 then
  redis.call('HDEL', session, 'bind')
end
if redis.call('EXISTS', lane) == 1 or redis.call('HEXISTS', session, 'bind') == 1 then
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[22]), key)
  redis.call('PERSIST', journal)
else
  redis.call('ZREM', KEYS[4], key)
  redis.call('PEXPIRE', session, ARGV[21])
  redis.call('PEXPIRE', journal, ARGV[21])
  if unbind then redis.call('ZREM', KEYS[5], key) end
end
return {1, epoch, entries}

-- Accept groups of commands into one lane, each group once per command_id.
-- A new (or ended) session is registered with the given spec; a known one keeps its own.
--
-- KEYS  1 session  2 lane  3 ids  4 lease  5 ready  6 activity  7 journal  8 clock
-- ARGV  1 session key   2 spec (JSON)   3 node of the spec   4 instance of the spec
--       5 node insisted on, or ''       6 instance insisted on, or ''
--       7 '1' to have the session made at the server even if no command waits
--       8 wake-up grace, ms   9 ids remembered   10 ids kept, ms   11 record kept, ms
--       12 most commands that may wait   13 commands that later parts of this request bring
--       14 '1' to keep a new session alive
--       15.. per group: command_id, kind, number of payloads, the payloads
-- Returns  {'conflict', field, known value}
--     or   {'full', commands that wait}; nothing was accepted
--     or   {'ok', 1 if a wake-up is needed, then per group: first position, 1 if repeated}
local session, lane, ids = KEYS[1], KEYS[2], KEYS[3]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[8]) or 0)

local known = redis.call('HMGET', session, 'node', 'instance', 'state', 'appended', 'applied', 'ends_ms', 'placed')
local appended = tonumber(known[4] or 0)
local waits = known[4] ~= known[5]
-- Its own time has run out, and nobody has noted yet that it has ended.
local past = known[6] and known[3] ~= 'ended' and not waits and now > tonumber(known[6])
local over = past or (known[3] == 'ended' and not waits)
if known[1] and not over then
  if ARGV[5] ~= '' and ARGV[5] ~= known[1] then return {'conflict', 'node', known[1]} end
  -- Where it was placed is as good as where it has moved since.
  if ARGV[6] ~= '' and ARGV[6] ~= known[2] and ARGV[6] ~= known[7] then return {'conflict', 'instance', known[2]} end
end

-- What is repeated takes no room, and must be answered even by a full lane.
local before, new, group = {}, 0, 15
while group <= #ARGV do
  local first = redis.call('ZSCORE', ids, ARGV[group])
  before[group] = first
  if not first then new = new + tonumber(ARGV[group + 2]) end
  group = group + 3 + tonumber(ARGV[group + 2])
end
if new > 0 then
  local length = redis.call('LLEN', lane)
  if length + new + tonumber(ARGV[13]) > tonumber(ARGV[12]) then return {'full', length} end
end

local reply, added = {'ok', 0}, 0
group = 15
while group <= #ARGV do
  local id, kind, count, first = ARGV[group], ARGV[group + 1], tonumber(ARGV[group + 2]), before[group]
  -- An id may stand twice in one request.
  if new > 0 and not first then first = redis.call('ZSCORE', ids, id) end
  if first then
    reply[#reply + 1], reply[#reply + 2] = tonumber(first), 1
  else
    local mark = kind .. ' ' .. now .. ' '
    local entries = {}
    for i = 1, count do entries[i] = mark .. ARGV[group + 2 + i] end
    redis.call('RPUSH', lane, unpack(entries))
    redis.call('ZADD', ids, appended + 1, id)
    reply[#reply + 1], reply[#reply + 2] = appended + 1, 0
    appended, added = appended + count, added + count
  end
  group = group + 3 + count
end

local bind = ARGV[7] == '1'
if known[1] and added == 0 and not bind then return reply end
if not known[1] or (over and (added > 0 or bind)) then
  redis.call('HSET', session, 'spec', ARGV[2], 'node', ARGV[3], 'instance', ARGV[4],
    'state', 'new', 'created_ms', now)
  redis.call('HDEL', session, 'keep', 'ends_ms', 'lifetime', 'fresh_ms', 'wrote_ms', 'placed')
  if ARGV[14] == '1' then redis.call('HSET', session, 'keep', 1) end
  if past then
    -- What it was is over: its server-side session is left to expire.
    redis.call('HSET', session, 'sid', '')
    redis.call('HINCRBY', session, 'epoch', 1)
    redis.call('HDEL', session, 'cut', 'stm', 'intent', 'intent_ms', 'doubt', 'suspect', 'bind',
      'parked', 'letter', 'why')
    redis.call('DEL', KEYS[7])
  end
  if not known[1] then
    redis.call('HSET', session, 'sid', '', 'time', 0, 'epoch', 0, 'applied', 0)
  end
end
redis.call('HSET', session, 'appended', appended, 'active_ms', now)
redis.call('ZADD', KEYS[6], now, ARGV[1])
if added > 0 then
  redis.call('ZREMRANGEBYRANK', ids, 0, -1 - tonumber(ARGV[9]))
  redis.call('PEXPIRE', ids, ARGV[10])
end

local sid = redis.call('HGET', session, 'sid')
-- Beside waiting commands the wish counts too: one of them may be a delete.
bind = bind and (sid == '' or redis.call('EXISTS', lane) == 1)
if bind then redis.call('HSET', session, 'bind', appended) end
if added > 0 or bind then
  redis.call('PERSIST', session)
  redis.call('PERSIST', KEYS[7])
  local called = redis.call('ZADD', KEYS[5], 'NX', now + tonumber(ARGV[8]), ARGV[1])
  if called == 1 and redis.call('EXISTS', KEYS[4]) == 0 then reply[2] = 1 end
elseif redis.call('EXISTS', lane) == 0 then
  redis.call('PEXPIRE', session, ARGV[11])
  redis.call('PEXPIRE', KEYS[7], ARGV[11])
end
return reply

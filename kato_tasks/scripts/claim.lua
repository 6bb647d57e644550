-- Take the lease of one lane and read what waits in it.
--
-- A store that was restarted may have lost its last moments. Its run id tells: a session that was
-- last claimed under another one is suspect, and a lease from then is void, unless the caller knows
-- that this store keeps whatever it has answered.
--
-- KEYS  1 session  2 lane  3 lease  4 ready  5 stats  6 journal  7 clock
-- ARGV  1 session key  2 token  3 lease, ms  4 most commands to read  5 record kept, ms
--       6 run id of a store that loses nothing, or ''  7 run id of one that may have, or ''
--       8 commands to read if the outcome of some is not known
--       9 '1' to take it even if there is nothing to do
-- Returns  {'busy'}, {'empty'}, {'parked'} or {'unknown'}
--     or   {'restarted', run id}: name it in ARGV 6 or 7
--     or   {'claimed', now in ms, spec, sid, time, events, epoch, applied, most per call or '',
--           failed attempts or '', how the server learns, intent or '', its time in ms or '',
--           why it is suspect or '', how often the server failed at the first command,
--           what a person says of a learn in doubt or '', state, lifetime in s or '',
--           since when it runs in ms, when it ends for good in ms or '', '1' if it is kept alive,
--           last use in ms, memory it was put to sleep with or '',
--           how many replays gave another memory, last write in ms, node, instance,
--           '1' if its server has had it since before it was ours, or '',
--           entries}
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local s = redis.call('HMGET', KEYS[1], 'spec', 'sid', 'time', 'events', 'epoch', 'applied', 'most',
  'attempts', 'learning', 'intent', 'intent_ms', 'suspect', 'parked', 'bind', 'run', 'failures', 'ruling',
  'state', 'lifetime', 'fresh_ms', 'ends_ms', 'keep', 'active_ms', 'stm',
  'replays', 'wrote_ms', 'node', 'instance', 'adopted')
if not s[1] then
  redis.call('ZREM', KEYS[4], ARGV[1])
  return {'unknown'}
end
local other = s[15] and s[15] ~= run
if other and run ~= ARGV[6] and run ~= ARGV[7] then return {'restarted', run} end
local suspect = other and run ~= ARGV[6]
if not suspect and redis.call('EXISTS', KEYS[3]) == 1 then return {'busy'} end
if s[13] then
  redis.call('ZREM', KEYS[4], ARGV[1])
  return {'parked'}
end
local most = s[10] and math.max(tonumber(ARGV[4]), tonumber(ARGV[8])) or tonumber(ARGV[4])
local entries = redis.call('LRANGE', KEYS[2], 0, most - 1)
-- A wish to have the session made, or made anew.
local wished = s[14] and (s[2] == '' or s[12] or s[10])
if #entries == 0 and not wished and ARGV[9] ~= '1' then
  redis.call('HDEL', KEYS[1], 'bind')
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('PEXPIRE', KEYS[6], ARGV[5])
  return {'empty'}
end
if s[15] ~= run then redis.call('HSET', KEYS[1], 'run', run) end
if suspect then
  s[12] = 'the store was restarted'
  redis.call('HSET', KEYS[1], 'suspect', s[12])
  redis.call('HINCRBY', KEYS[5], 'suspected', 1)
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[7]) or 0)
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[3]), ARGV[1])
return {'claimed', now, s[1], s[2], s[3], s[4] or '0', s[5], s[6], s[7] or '', s[8] or '',
  s[9] or '0', s[10] or '', s[11] or '0', s[12] or '', s[16] or '0', s[17] or '',
  s[18], s[19] or '', s[20] or '0', s[21] or '', s[22] or '', s[23], s[24] or '',
  s[25] or '0', s[26] or '0', s[27], s[28], s[29] or '', entries}

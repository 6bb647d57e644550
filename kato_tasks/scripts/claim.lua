-- Take the lease of one lane and read what waits in it.
--
-- KEYS  1 session  2 lane  3 lease  4 ready
-- ARGV  1 session key  2 token  3 lease, ms  4 most commands to read  5 record kept, ms
-- Returns  {'busy'}, {'empty'}, {'doubt'} or {'unknown'}
--     or   {'claimed', now in ms, spec, sid, time, epoch, applied, most per call or '',
--           failed attempts or '', 1 if the server learns by itself, entries}
if redis.call('EXISTS', KEYS[3]) == 1 then return {'busy'} end
local s = redis.call('HMGET', KEYS[1],
  'spec', 'sid', 'time', 'epoch', 'applied', 'most', 'attempts', 'intent', 'doubt', 'bind', 'learns')
if not s[1] then
  redis.call('ZREM', KEYS[4], ARGV[1])
  return {'unknown'}
end
-- An intent without a lease is a call whose end nobody has seen.
if s[8] or s[9] then
  if not s[9] then redis.call('HSET', KEYS[1], 'doubt', 'the worker died during a call') end
  redis.call('ZREM', KEYS[4], ARGV[1])
  return {'doubt'}
end
local entries = redis.call('LRANGE', KEYS[2], 0, tonumber(ARGV[4]) - 1)
if #entries == 0 and (not s[10] or s[2] ~= '') then
  redis.call('HDEL', KEYS[1], 'bind')
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {'empty'}
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
redis.call('ZADD', KEYS[4], now + tonumber(ARGV[3]), ARGV[1])
return {'claimed', now, s[1], s[2], s[3], s[4], s[5], s[6] or '', s[7] or '',
  tonumber(s[11] or 0), entries}

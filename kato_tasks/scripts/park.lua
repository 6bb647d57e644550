-- Park a lane: its commands stay in it and nothing is sent, until somebody unparks it.
--
-- KEYS  1 session  2 lane  3 lease  4 ready  5 dead  6 stats
-- ARGV  1 session key  2 token  3 why
--       4 outcome (JSON) if it is the first command that the server does not take, or ''
--       5 dead letters kept
-- Returns  1 (again, if it is parked for that already), or 0 if the lease is not ours
if redis.call('GET', KEYS[3]) ~= ARGV[2] then
  return redis.call('HGET', KEYS[1], 'parked') == ARGV[3] and 1 or 0
end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[1], 'parked', ARGV[3])
redis.call('HDEL', KEYS[1], 'doubt')
if ARGV[4] ~= '' then
  local letter = redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], '*', 'key', ARGV[1],
    'seq', tonumber(redis.call('HGET', KEYS[1], 'applied')) + 1,
    'entry', redis.call('LINDEX', KEYS[2], 0), 'outcome', ARGV[4], 'parked', 1)
  redis.call('HDEL', KEYS[1], 'intent', 'intent_ms', 'most', 'attempts', 'failures')
  redis.call('HSET', KEYS[1], 'letter', letter)
  redis.call('HINCRBY', KEYS[6], 'dead_lettered', 1)
end
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('HINCRBY', KEYS[6], 'parked', 1)
return 1

-- Bind a session to the server-side session that was made for it: its first one, or the first
-- after its end.
--
-- KEYS  1 session  2 lease  3 idle  4 refresh  5 clock
-- ARGV  1 token  2 epoch before  3 sid  4 how the server learns by itself in it  5 session key
--       6 lifetime at the server, s, or ''  7 when it ends for good, ms from now, or ''
--       8 when somebody looks whether it is idle, ms from now, or ''
--       9 when somebody looks whether it is kept alive, ms from now, or ''
-- Returns  the epoch after (again, if it is bound so already), or 0 if the lease or the epoch is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local s = redis.call('HMGET', KEYS[1], 'epoch', 'sid')
if s[2] == ARGV[3] and tonumber(s[1]) == tonumber(ARGV[2]) + 1 then return tonumber(s[1]) end
if s[1] ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'bind', 'suspect', 'stm', 'lifetime', 'ends_ms', 'replays', 'adopted')
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[5]) or 0)
redis.call('HSET', KEYS[1], 'sid', ARGV[3], 'time', 0, 'events', 0, 'state', 'active',
  'learning', ARGV[4], 'fresh_ms', now)
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'lifetime', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'ends_ms', now + ARGV[7]) end
if ARGV[8] ~= '' then redis.call('ZADD', KEYS[3], now + ARGV[8], ARGV[5]) end
if ARGV[9] ~= '' and redis.call('HEXISTS', KEYS[1], 'keep') == 1 then
  redis.call('ZADD', KEYS[4], now + ARGV[9], ARGV[5])
end
return redis.call('HINCRBY', KEYS[1], 'epoch', 1)

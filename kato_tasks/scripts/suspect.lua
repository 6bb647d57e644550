-- Have a session made anew by a worker, or made at all, because its server does not have it.
--
-- KEYS  1 session  2 ready  3 journal  4 clock
-- ARGV  1 session key  2 server-side session that is not there, or ''  3 why
-- Returns  1, or 0 if there is no such session, it has ended, or it lives elsewhere by now
local s = redis.call('HMGET', KEYS[1], 'sid', 'state', 'appended')
if not s[2] or s[2] == 'ended' or s[1] ~= ARGV[2] then return 0 end
if s[1] ~= '' then redis.call('HSET', KEYS[1], 'suspect', ARGV[3]) end
redis.call('HSET', KEYS[1], 'bind', s[3])
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[4]) or 0)
redis.call('ZADD', KEYS[2], now, ARGV[1])
return 1

-- Note that the server lets a session live on, and keep the lease.
--
-- KEYS  1 session  2 lease  3 stats  4 clock
-- ARGV  1 token  2 epoch  3 when it ends for good, ms from now, or '' if that stays
--       4 intent (JSON) of the call that did it, or '' if none was made
-- Returns  1 (also if the intent is another one: this came late, and was done before), or 0 if the
--          lease or the epoch is not ours
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return 0 end
if (redis.call('HGET', KEYS[1], 'intent') or '') ~= ARGV[4] then return 1 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[4]) or 0)
redis.call('HDEL', KEYS[1], 'intent', 'intent_ms')
redis.call('HSET', KEYS[1], 'fresh_ms', now)
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'ends_ms', now + ARGV[3]) end
redis.call('HINCRBY', KEYS[3], 'refreshed', 1)
return 1

-- Take an entry's tick if it is due. It is written down before anything is sent: so nobody takes
-- it twice, and one that is lost afterwards is made up by the next.
--
-- A last run that lies in the future tells of a clock that was set back: it counts as none.
--
-- KEYS  1 lease  2 last runs
-- ARGV  1 token  2 entry  3 interval, ms
-- Returns  0 if the tick is the caller's to send
--     or   how long until it is due, ms
--     or   -1 if the lease is not ours
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return -1 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local last = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or 0)
local left = last + tonumber(ARGV[3]) - now
if last <= now and left > 0 then return left end
redis.call('HSET', KEYS[2], ARGV[2], now)
return 0

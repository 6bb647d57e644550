-- Note that a session is not moving any more, wherever it is now.
--
-- KEYS  1 session
-- ARGV  1 token of who moved it
-- Returns  how many of its commands wait, or -1 if somebody else moves it, or nobody
local s = redis.call('HMGET', KEYS[1], 'moving', 'appended', 'applied')
if s[1] ~= ARGV[1] then return -1 end
redis.call('HDEL', KEYS[1], 'moving', 'moving_ms', 'way_ms')
return tonumber(s[2]) - tonumber(s[3])

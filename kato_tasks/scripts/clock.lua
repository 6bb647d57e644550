-- Read a shard's clock.
--
-- KEYS  1 clock
-- Returns  {wall clock, ms, offset that makes the steady clock of it, ms}
local clock = redis.call('TIME')
local wall = clock[1] * 1000 + math.floor(clock[2] / 1000)
return {wall, tonumber(redis.call('GET', KEYS[1]) or 0)}

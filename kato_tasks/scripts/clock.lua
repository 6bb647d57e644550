-- Keep the clock of one shard steady: where the store's wall clock was set, the difference is kept
-- as an offset that every script adds.
--
-- KEYS  1 clock
-- ARGV  1 wall clock at the caller's last reading, ms, or ''  2 offset then
--       3 time since by a clock that nobody sets, ms  4 how far both may differ, ms
-- Returns  {wall clock, offset}
local clock = redis.call('TIME')
local wall = clock[1] * 1000 + math.floor(clock[2] / 1000)
local offset = tonumber(redis.call('GET', KEYS[1]) or 0)
-- Of several processes that saw it one counts: the others' offset is not this one any more.
if ARGV[1] ~= '' and offset == tonumber(ARGV[2]) then
  local jump = wall - ARGV[1] - ARGV[3]
  if math.abs(jump) > tonumber(ARGV[4]) then
    offset = offset - jump
    redis.call('SET', KEYS[1], offset)
  end
end
return {wall, offset}

-- Raise counters.
--
-- KEYS  1 stats
-- ARGV  counter, increment, ...
-- Returns  how many were raised
for i = 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return #ARGV / 2

-- Keep a shard's clock steady where the store's wall clock was set. Of several processes that saw it
-- one counts, and one that comes late does nothing: the offset is not the one it knew any more.
--
-- KEYS  1 clock
-- ARGV  1 offset before, ms  2 offset after, ms
-- Returns  1, or 0 if the offset is another one by now
if tonumber(redis.call('GET', KEYS[1]) or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1

-- Let a parked lane go on. What it was parked with decides how: a command that the server did not
-- take is sent again, or dropped; after an anomaly the session is made anew of its journal; a learn
-- of which cannot be told whether it was counted is sent again, or taken for done.
--
-- KEYS  1 session  2 lane  3 ready  4 dead  5 outcomes  6 journal  7 clock
-- ARGV  1 session key  2 '1' to drop the command that the server did not take, or to take the learn for done
--       3 outcomes remembered  4 outcomes kept, ms
--       5 dead letter (its id in the stream) that it must be parked at, or ''
--       6 record kept, ms
-- Returns  1, or 0 if the lane is not parked, or not at that letter
local s = redis.call('HMGET', KEYS[1], 'parked', 'letter', 'applied')
if not s[1] or (ARGV[5] ~= '' and ARGV[5] ~= s[2]) then return 0 end
redis.call('HDEL', KEYS[1], 'parked', 'letter', 'attempts', 'failures', 'most', 'replays')
if s[2] then
  local found = redis.call('XRANGE', KEYS[4], s[2], s[2])
  redis.call('XDEL', KEYS[4], s[2])
  if ARGV[2] == '1' then
    local seq = tonumber(s[3]) + 1
    redis.call('LPOP', KEYS[2])
    redis.call('HSET', KEYS[1], 'applied', seq)
    if found[1] then
      for i = 1, #found[1][2], 2 do
        if found[1][2][i] == 'outcome' then
          redis.call('ZADD', KEYS[5], seq, seq .. ' ' .. found[1][2][i + 1])
        end
      end
      redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -1 - tonumber(ARGV[3]))
      redis.call('PEXPIRE', KEYS[5], ARGV[4])
    end
  end
else
  redis.call('HSET', KEYS[1], 'suspect', 'unparked by hand')
  if redis.call('HEXISTS', KEYS[1], 'intent') == 1 then
    redis.call('HSET', KEYS[1], 'ruling', ARGV[2] == '1' and 'skip' or 'resend')
  end
end
if redis.call('EXISTS', KEYS[2]) == 0 and redis.call('HEXISTS', KEYS[1], 'bind') == 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  redis.call('PEXPIRE', KEYS[6], ARGV[6])
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  + tonumber(redis.call('GET', KEYS[7]) or 0)
redis.call('ZADD', KEYS[3], now, ARGV[1])
return 1

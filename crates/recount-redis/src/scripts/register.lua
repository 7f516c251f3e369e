-- Registers a mirror, or renews its lease.
--
-- KEYS  mirrors
-- ARGV  1 name, 2 the last entry it has on stable storage, 3 milliseconds of its lease
local ends = clock_ms('') + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', ends))
return ends

-- Gives the lease of a partition up; whether the consumer held it under the token.
--
-- KEYS  stream, state
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 token
local failed = called(ARGV[3], KEYS[1], KEYS[2], ARGV[1], ARGV[2])
if failed then return failed end
local holder, token = unpack(redis.call('HMGET', KEYS[2], 'holder', 'token'))
if holder ~= ARGV[2] or token ~= ARGV[4] then return 0 end
redis.call('HDEL', KEYS[2], 'holder', 'until')
return 1

-- Where a clock was given: dates what a consumer was just handed by it, not by the server's.
--
-- KEYS  stream, state
-- ARGV  1 group, 2 consumer, 3 clock, then the ids
local stream, group, consumer, clock = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
for at = 4, #ARGV do
  local id = ARGV[at]
  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) > 0 then
    redis.call('XCLAIM', stream, group, consumer, 0, id, 'TIME', clock, 'JUSTID')
  end
end
redis.call('HSET', KEYS[2], 'c:' .. consumer, clock)

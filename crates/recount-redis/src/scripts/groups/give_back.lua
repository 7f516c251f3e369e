-- Gives entries of a consumer back, to be claimed once a delay has passed; how many. Those that are gone from the
-- stream stay with it.
--
-- KEYS  stream, state, due
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 the delay in ms, then the ids
local SWEPT_EVERY = 1024
local stream, group, consumer, clock, due = KEYS[1], ARGV[1], ARGV[2], ARGV[3], KEYS[3]
local failed = called(clock, stream, KEYS[2], group, consumer)
if failed then return failed end
local delay = tonumber(ARGV[4])
local from = format('%.0f', tonumber(clock_ms(clock)) + delay)
local before, given_back = redis.call('HLEN', due), 0
for at = 5, #ARGV do
  local id = ARGV[at]
  local entry = listed(clock, stream, group, id, id, 1, consumer)[1]
  if entry and holds(stream, id) then
    if delay > 0 then redis.call('HSET', due, id, from) else redis.call('HDEL', due, id) end
    local option, value = kept(clock, entry[3])
    redis.call('XCLAIM', stream, group, GIVEN_BACK, 0, id, option, value, 'JUSTID')
    given_back = given_back + 1
  end
end
-- What was acknowledged, or claimed by others, while it was given back left its time behind.
if math.floor(before / SWEPT_EVERY) < math.floor(redis.call('HLEN', due) / SWEPT_EVERY) then
  for _, id in ipairs(redis.call('HKEYS', due)) do
    if #redis.call('XPENDING', stream, group, id, id, 1, GIVEN_BACK) == 0 then redis.call('HDEL', due, id) end
  end
end
return given_back

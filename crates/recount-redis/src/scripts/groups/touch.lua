-- Begins the idle times of a consumer's entries again; the ids of those that are its own.
--
-- KEYS  stream, state
-- ARGV  1 group, 2 consumer, 3 clock or '', then the ids
local stream, group, consumer, clock = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local failed = called(clock, stream, KEYS[2], group, consumer)
if failed then return failed end
local option, value = fresh(clock)
local out = {}
for at = 4, #ARGV do
  local id = ARGV[at]
  if #redis.call('XPENDING', stream, group, id, id, 1, consumer) > 0 then
    if holds(stream, id) then
      redis.call('XCLAIM', stream, group, consumer, 0, id, option, value, 'JUSTID')
    end
    out[#out + 1] = id
  end
end
return out

-- Takes entries over for a consumer, those of them that it may have.
--
-- KEYS  stream, state, due
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 least idle time in ms, then the ids
local stream, group, consumer, clock = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local failed = called(clock, stream, KEYS[2], group, consumer)
if failed then return failed end
local now, min_idle = tonumber(clock_ms(clock)), tonumber(ARGV[4])
local out = {}
for at = 5, #ARGV do
  local entry = listed(clock, stream, group, ARGV[at], ARGV[at], 1)[1]
  if entry and claimable(entry, KEYS[3], min_idle, now) then
    out[#out + 1] = delivered(clock, stream, group, KEYS[3], consumer, entry)
  end
end
return out

-- Takes over for a consumer what it may have, oldest first. Answers with that, and with the last id it looked at unless
-- it came to the end.
--
-- KEYS  stream, state, due
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 least idle time in ms, 5 the first id, 6 how many at most
local LOOKED_AT_MAX, PAGE = 1000, 100
local stream, group, consumer, clock = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local failed = called(clock, stream, KEYS[2], group, consumer)
if failed then return failed end
local now, min_idle, count = tonumber(clock_ms(clock)), tonumber(ARGV[4]), tonumber(ARGV[6])
local out, from, last = {}, ARGV[5], nil
for _ = 1, LOOKED_AT_MAX / PAGE do
  local page = listed(clock, stream, group, from, '+', PAGE)
  for _, entry in ipairs(page) do
    if #out == count then return { out, last } end
    last = entry[1]
    if claimable(entry, KEYS[3], min_idle, now) then
      out[#out + 1] = delivered(clock, stream, group, KEYS[3], consumer, entry)
    end
  end
  from = last and after(last)
  if #page < PAGE or not from then return { out } end
end
return { out, last }

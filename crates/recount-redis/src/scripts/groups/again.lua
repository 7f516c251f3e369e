-- Delivers to a consumer again what is pending for it.
--
-- KEYS  stream, state, due
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 the first id, 5 how many at most
local stream, group, consumer, clock = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local failed = called(clock, stream, KEYS[2], group, consumer)
if failed then return failed end
local out = {}
for at, entry in ipairs(listed(clock, stream, group, ARGV[4], '+', ARGV[5], consumer)) do
  out[at] = delivered(clock, stream, group, KEYS[3], consumer, entry)
end
return out

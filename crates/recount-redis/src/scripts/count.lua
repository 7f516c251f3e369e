-- How many entries a range has: counted up to a limit, and then with the last id that was counted.
--
-- KEYS  stream
-- ARGV  1 the first id, 2 the last, 3 the limit
local PAGE = 100
local from, count, limit, last = ARGV[1], 0, tonumber(ARGV[3]), ''
while from and count < limit do
  local page = redis.call('XRANGE', KEYS[1], from, ARGV[2], 'COUNT', PAGE)
  count = count + #page
  if #page < PAGE then return { count, '' } end
  last = page[PAGE][1]
  from = after(last)
end
return { count, last }

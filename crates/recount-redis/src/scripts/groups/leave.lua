-- Removes a consumer, unless entries are pending for it and nobody takes them. Answers with how many changed hands
-- ('moved', and the last id where there may be more), or with how many are in the way ('owns').
--
-- KEYS  stream, state
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 who takes its entries or '', 5 the first id, 6 how many at most
local stream, state, group, consumer, clock, heir = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local page = listed(clock, stream, group, ARGV[5], '+', ARGV[6], consumer)
if page.err then return page end
local pending, idle = 0, nil
for _, known in ipairs(consumers_of(clock, stream, state, group)) do
  if known[1] == consumer then pending, idle = known[2], known[3] end
  if known[1] == heir then heir = '' end
end
if ARGV[4] == '' and pending > 0 then return { 'owns', pending } end
if heir ~= '' then called(clock, stream, state, group, heir) end
local moved = 0
for _, entry in ipairs(page) do
  if holds(stream, entry[1]) then
    local option, value = kept(clock, entry[3])
    redis.call('XCLAIM', stream, group, ARGV[4], 0, entry[1], option, value, 'JUSTID')
    moved = moved + 1
  end
end
if #page == tonumber(ARGV[6]) then return { 'moved', moved, page[#page][1] } end
-- It may have been handed some meanwhile. What is left of others is gone from the stream, and goes with it.
for _, entry in ipairs(listed(clock, stream, group, '-', '+', ARGV[6], consumer)) do
  if holds(stream, entry[1]) then return { 'moved', moved, '0-0' } end
end
if idle then
  local at, known = clock_ms(clock) - idle, redis.call('HGET', state, 'called')
  if not known or tonumber(known) < at then redis.call('HSET', state, 'called', format('%.0f', at)) end
end
redis.call('HDEL', state, 'c:' .. consumer, 'w:' .. consumer)
redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer)
return { 'moved', moved }

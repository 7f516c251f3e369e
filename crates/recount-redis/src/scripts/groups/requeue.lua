-- Makes entries pending again that were delivered and acknowledged; the ids of those it did.
--
-- KEYS  stream, due
-- ARGV  1 group, 2 clock or '', then the ids
local stream, group, clock = KEYS[1], ARGV[1], ARGV[2]
local known = redis.pcall('XPENDING', stream, group, '-', '+', 1)
if known.err then return known end
local cursor
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  if field(info, 'name') == group then cursor = field(info, 'last-delivered-id') end
end
local option, value = fresh(clock)
local out = {}
for at = 3, #ARGV do
  local id = ARGV[at]
  local was_delivered = not id_less(cursor, id)
  if was_delivered and holds(stream, id) and #redis.call('XPENDING', stream, group, id, id, 1) == 0 then
    redis.call('XCLAIM', stream, group, GIVEN_BACK, 0, id, option, value, 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
    redis.call('HDEL', KEYS[2], id)
    out[#out + 1] = id
  end
end
return out

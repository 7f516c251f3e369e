-- Takes or renews the lease of a partition. Answers ('held', token, who waits and how many partitions each holds) or
-- ('taken', by whom, for how many ms yet).
--
-- KEYS  stream, state
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 for how long in ms, 5 how many partitions the consumer holds
local state, consumer, clock = KEYS[2], ARGV[2], ARGV[3]
local failed = called(clock, KEYS[1], state, ARGV[1], consumer)
if failed then return failed end
local now, ttl = tonumber(clock_ms(clock)), tonumber(ARGV[4])
local holder, token, ends = unpack(redis.call('HMGET', state, 'holder', 'token', 'until'))
if holder and holder ~= consumer and tonumber(ends) > now then
  redis.call('HSET', state, 'w:' .. consumer, ARGV[5] .. ' ' .. format('%.0f', now))
  return { 'taken', holder, format('%.0f', ends - now) }
end
if holder ~= consumer then
  -- By the server's clock, so that a group of the same name, made later, does not give tokens out again.
  local time = redis.call('TIME')
  token = format('%.0f', math.max(tonumber(token or 0) + 1, time[1] * 1000000 + time[2]))
end
redis.call('HSET', state, 'holder', consumer, 'token', token, 'until', format('%.0f', now + ttl))
redis.call('HDEL', state, 'w:' .. consumer)
local waiting, fields = {}, redis.call('HGETALL', state)
for at = 1, #fields, 2 do
  local name = string.match(fields[at], '^w:(.*)$')
  if name then
    local holds, asked = string.match(fields[at + 1], '^(%d+) (%d+)$')
    if now - asked < ttl then
      waiting[#waiting + 1] = name
      waiting[#waiting + 1] = holds
    else
      redis.call('HDEL', state, fields[at])
    end
  end
end
return { 'held', token, waiting }

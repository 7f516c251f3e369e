-- A group in a partition: its consumers, the first pending id or '', and how long ago (ms) a consumer called or -1.
--
-- KEYS  stream, state
-- ARGV  1 group, 2 clock or ''
local first = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1)
if first.err then return first end
local consumers = consumers_of(ARGV[2], KEYS[1], KEYS[2], ARGV[1])
return { consumers, first[1] and first[1][1] or '', idle_of(ARGV[2], KEYS[2], consumers) or -1 }

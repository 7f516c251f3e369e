-- Delivers new entries to the holder of a partition's lease: ('new', entries as XREADGROUP answers), or ('lost').
--
-- KEYS  stream, state
-- ARGV  1 group, 2 consumer, 3 clock or '', 4 token, 5 how many at most: 0 delivers nothing
local stream, group, consumer, clock = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local failed = called(clock, stream, KEYS[2], group, consumer)
if failed then return failed end
local holder, token = unpack(redis.call('HMGET', KEYS[2], 'holder', 'token'))
if holder ~= consumer or token ~= ARGV[4] then return { 'lost' } end
if ARGV[5] == '0' then return { 'new' } end
return { 'new', redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', ARGV[5], 'STREAMS', stream, '>') }

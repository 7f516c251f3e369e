-- What a trim has to know: length, clock, and who holds it back.
--
-- KEYS  stream, mirrors, then the states of the groups that are named
-- ARGV  1 clock or '', 2 policy: '' or 'force' or ms, 3 groups named, then the groups
if redis.call('EXISTS', KEYS[1]) == 0 then return { 0, clock_ms(ARGV[1]), {} } end
local states = states_from(3, tonumber(ARGV[3]), 2)
local all = parties(KEYS[1], KEYS[2], ARGV[1], ARGV[2], states)
return { redis.call('XLEN', KEYS[1]), clock_ms(ARGV[1]), needs(all) }

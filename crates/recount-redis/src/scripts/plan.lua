-- What a trim has to know: length, clock, and who needs what.
--
-- KEYS  stream, mirrors
-- ARGV  1 clock or ''
if redis.call('EXISTS', KEYS[1]) == 0 then return { 0, clock_ms(ARGV[1]), {} } end
return { redis.call('XLEN', KEYS[1]), clock_ms(ARGV[1]), needs(KEYS[1], KEYS[2]) }

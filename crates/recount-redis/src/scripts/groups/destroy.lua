-- Removes a group and what is kept beside it; whether there was one.
--
-- KEYS  stream, state, due
-- ARGV  1 group
local was = 0
if redis.call('EXISTS', KEYS[1]) == 1 then was = redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1]) end
redis.call('DEL', KEYS[2], KEYS[3])
return was

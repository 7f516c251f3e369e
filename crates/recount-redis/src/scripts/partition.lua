-- Says that a stream has several partitions, unless somebody said so before.
--
-- KEYS  partitions, the stream's plain key
-- ARGV  1 how many, 2 their tags, by commas
local kept = redis.call('HMGET', KEYS[1], 'n', 'tags')
if kept[1] then return { kept[1], kept[2] } end
if redis.call('EXISTS', KEYS[2]) == 1 and (redis.call('XLEN', KEYS[2]) > 0 or #redis.call('XINFO', 'GROUPS', KEYS[2]) > 0) then
  return { '1', '' }
end
redis.call('HSET', KEYS[1], 'n', ARGV[1], 'tags', ARGV[2], 'hash', 'crc32')
return { ARGV[1], ARGV[2] }

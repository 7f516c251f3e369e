-- What is pending, entry by entry.
--
-- KEYS  stream
-- ARGV  1 group, 2 clock or '', 3 the first id, 4 how many at most, 5 consumer: all where it is missing
return listed(ARGV[2], KEYS[1], ARGV[1], ARGV[3], '+', ARGV[4], ARGV[5])

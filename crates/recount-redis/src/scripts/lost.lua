-- Who would lose how many entries of a page.
--
-- KEYS  stream, mirrors, then the states of the groups that are named
-- ARGV  1 clock or '', 2 policy: 'force' or ms, 3 groups named, then the groups, then the ids of the page, in order
local count = tonumber(ARGV[3])
local all = parties(KEYS[1], KEYS[2], ARGV[1], ARGV[2], states_from(3, count, 2))
return losses(KEYS[1], all, ARGV, 3 + count, #ARGV - 3 - count)

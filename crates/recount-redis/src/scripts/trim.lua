-- Removes a page of entries from the start of the stream, and what is known of them.
--
-- KEYS  stream, meta, mirrors, sessions, then the older ids of each session of the page, then the states of the groups that
--       are named
-- ARGV  1 entries that our scripts added, 2 entries that others added, 3 sessions, 4 ids, 5 clock or '', 6 policy, 7 groups
--       named, then the sessions, then how many entries each has among them, then the ids of the page, in order, then the
--       groups
local stream, meta, mirrors, hash = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local sessions, count = tonumber(ARGV[3]), tonumber(ARGV[4])
local at_sessions = 7
local at_numbers = at_sessions + sessions
local at_ids = at_numbers + sessions
local first, last = ARGV[at_ids + 1], ARGV[at_ids + count]

local begins = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
-- Somebody else trimmed meanwhile: the page has to be read again.
if #begins == 0 or begins[1][1] ~= first then return { 'moved' } end
local states = states_from(at_ids + count, tonumber(ARGV[7]), 4 + sessions)
local all = parties(stream, mirrors, ARGV[5], ARGV[6], states)
local held = needs(all)
for at = 2, #held, 2 do
  if not id_less(last, held[at]) then return { 'held', held } end
end
for session = 1, sessions do
  local kind = redis.call('TYPE', KEYS[4 + session]).ok
  if kind ~= 'list' and kind ~= 'none' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[4 + session] .. ' is a ' .. kind .. ', not the index of a session')
  end
end

local lost = losses(stream, all, ARGV, at_ids, count)
local trimmed = 0
-- Servers before 7.0 say nothing of their version. 6.0 knows no MINID, and 6.2 may remove the wrong entries by it where
-- a node of the stream spans more than seven weeks.
if redis.REDIS_VERSION_NUM and last ~= LAST_ID then
  trimmed = redis.call('XTRIM', stream, 'MINID', after(last))
else
  for from = 1, count, UNPACK do
    local to = math.min(from + UNPACK - 1, count)
    trimmed = trimmed + redis.call('XDEL', stream, unpack(ARGV, at_ids + from, at_ids + to))
  end
end
for session = 1, sessions do
  local key, name, removed = KEYS[4 + session], ARGV[at_sessions + session], tonumber(ARGV[at_numbers + session])
  local older = redis.call('LLEN', key)
  redis.call('LTRIM', key, removed, -1)
  local state = removed > older and redis.call('HGET', hash, name)
  if state then
    local revision, ids = string.match(state, '^(%d+)(.*)$')
    for _ = 1, removed - older do
      ids = string.match(ids, '^ %S+(.*)$') or ''
    end
    redis.call('HSET', hash, name, revision .. ids)
  end
end
redis.call('HINCRBY', meta, 'removed', ARGV[1])
redis.call('HINCRBY', meta, 'foreign_removed', ARGV[2])
redis.call('HSET', meta, 'trimmed', last)
return { 'done', trimmed, lost }

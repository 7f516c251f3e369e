-- Appends entries under given ids, whose order among themselves was looked at before.
--
-- KEYS  stream, meta, ids 0-2, bases, then the index of each session
-- ARGV  1 clock or '', 2 window, 3 ids a slot, 4 token of this call, 5 entries, 6 sessions, then the sessions; then for
--       the entries: ids; event ids or ''; marks; numbers of their sessions or 0; revisions given or ''; counts of
--       their field arguments; then all field arguments
local stream, meta, bases = KEYS[1], KEYS[2], KEYS[6]
local ids_keys = { [0] = KEYS[3], KEYS[4], KEYS[5] }
local window, entries, sessions = tonumber(ARGV[2]), tonumber(ARGV[5]), tonumber(ARGV[6])
local at_sessions = 6
local at_entry = at_sessions + sessions
local at_ids = at_entry + entries
local at_marks = at_ids + entries
local at_session = at_marks + entries
local at_given = at_session + entries
local at_counts = at_given + entries
local at_fields = at_counts + entries

local last, added = standing(stream)
if not last then return added end
local kept = redis.call('HMGET', meta, 'slot', 'since0', 'since1', 'since2', 'last', 'published', 'copied')
-- An earlier try of this very call was done, but its answer was lost.
if kept[7] == ARGV[4] then return { 'again' } end
local published = tonumber(kept[6] or 0)
local reset = kept[5] and id_less(last, kept[5])
if reset then last, published = kept[5], 0 end
if not id_less(last, ARGV[at_entry + 1]) then return { 'above', last } end
local revisions, starts = {}, {}
for session = 1, sessions do
  local base = tonumber(redis.call('HGET', bases, ARGV[at_sessions + session]) or 0)
  revisions[session] = base + redis.call('LLEN', KEYS[6 + session])
  starts[session] = revisions[session]
end

local newest = ARGV[at_entry + entries]
local newest_ms = halves(newest)
local clock = clock_ms(ARGV[1])
local now = tonumber(less(newest_ms, clock) and clock or newest_ms)
local state = {
  slot = tonumber(kept[1] or 0),
  since = { [0] = tonumber(kept[2] or nil), tonumber(kept[3] or nil), tonumber(kept[4] or nil) },
}

-- From here on everything is written.
local turned = turn_slot(state, now, window, tonumber(ARGV[3]), ids_keys)
local ids = ids_keys[state.slot]
local numbers = {}
local pushes = {}
local arguments = at_fields
for index = 1, entries do
  local id = ARGV[at_entry + index]
  local session = tonumber(ARGV[at_session + index])
  local revision = 0
  if session > 0 then
    local list = pushes[session] or { counted = 0 }
    pushes[session] = list
    revision = revisions[session] + 1
    local given = tonumber(ARGV[at_given + index])
    if given and given > revision then revision = given end
    revisions[session] = revision
    list.counted = list.counted + 1
    list[#list + 1] = id
    if #list == UNPACK then
      redis.call('RPUSH', KEYS[6 + session], unpack(list))
      pushes[session] = { counted = list.counted }
    end
  end
  numbers[index] = string.format('%.0f', revision)
  local count = tonumber(ARGV[at_counts + index])
  redis.call('XADD', stream, id, '_revision', numbers[index], unpack(ARGV, arguments + 1, arguments + count))
  arguments = arguments + count
  local event = ARGV[at_ids + index]
  if event ~= '' and now - tonumber((halves(id))) < window then
    -- The first entry of an id is the one that counts until it is forgotten, then the next.
    local earlier = redis.call('HGET', ids, event)
    local value = id .. ' ' .. ARGV[at_marks + index]
    redis.call('HSET', ids, event, earlier and (earlier .. ';' .. value) or value)
  end
end
for session, list in pairs(pushes) do
  if #list > 0 then redis.call('RPUSH', KEYS[6 + session], unpack(list)) end
  -- Given revisions leave gaps, which the base takes up: it and the index's length make the revision.
  local skipped = revisions[session] - starts[session] - list.counted
  if skipped > 0 then
    redis.call('HINCRBY', bases, ARGV[at_sessions + session], string.format('%.0f', skipped))
  end
end
if turned then
  if tonumber(clock) == now and redis.call('EXISTS', ids) == 1 then
    redis.call('PEXPIRE', ids, string.format('%.0f', window * 2 + 1000))
  end
  redis.call('HSET', meta, 'slot', state.slot, 'since' .. state.slot, string.format('%.0f', now))
end
redis.call('HSET', meta, 'last', newest, 'published', string.format('%.0f', published + entries), 'copied', ARGV[4])
if reset then redis.call('HDEL', meta, 'removed', 'foreign_removed') end
return { 'done', numbers }

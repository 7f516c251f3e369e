-- Appends entries under given ids, whose order among themselves was looked at before.
--
-- KEYS  stream, meta, ids 0-2, sessions, then the older ids of each session
-- ARGV  1 clock or '', 2 window, 3 ids a slot, 4 token of this call, 5 the sessions, 6 the entries: each a list of its id,
--       event id or '', mark, number of its session or 0, revision given or '', and its fields; both packed
local stream, meta, hash = KEYS[1], KEYS[2], KEYS[6]
local ids_keys = { [0] = KEYS[3], KEYS[4], KEYS[5] }
local window = tonumber(ARGV[2])
local sessions = cmsgpack.unpack(ARGV[5])
local entries = cmsgpack.unpack(ARGV[6])

local last, failed = last_of(stream)
if not last then return failed end
local kept = redis.call('HMGET', meta, 'slot', 'since0', 'since1', 'since2', 'last', 'published', 'copied')
-- An earlier try of this very call was done, but its answer was lost.
if kept[7] == ARGV[4] then return { 'again' } end
local published = tonumber(kept[6] or 0)
local reset = kept[5] and id_less(last, kept[5])
if reset then last, published = kept[5], 0 end
if not id_less(last, entries[1][1]) then return { 'above', last } end
local revisions, kept_ids = states_of(hash, sessions)

local newest = entries[#entries][1]
local newest_ms = halves(newest)
local clock = clock_ms(ARGV[1])
local now = tonumber(less(newest_ms, clock) and clock or newest_ms)
local state = window_state(kept)
local lists = {}
for session = 1, #sessions do lists[session] = KEYS[6 + session] end
local due = lists_due(lists, kept_ids)

-- From here on everything is written.
local turned = turn_slot(state, now, window, tonumber(ARGV[3]), ids_keys)
local ids = ids_keys[state.slot]
local numbers, added = {}, {}
for index, entry in ipairs(entries) do
  local id, event, session = entry[1], entry[2], tonumber(entry[4])
  numbers[index] = '0'
  if session > 0 then
    local revision = up(revisions[session])
    if entry[5] ~= '' and less(revision, entry[5]) then revision = entry[5] end
    numbers[index], revisions[session] = revision, revision
    added[session] = (added[session] or '') .. ' ' .. id
  end
  redis.call('XADD', stream, id, '_revision', numbers[index], unpack(entry, 6))
  if event ~= '' and now - tonumber((halves(id))) < window then
    -- The first entry of an id is the one that counts until it is forgotten, then the next.
    local earlier = redis.call('HGET', ids, event)
    local value = id .. ' ' .. entry[3]
    redis.call('HSET', ids, event, earlier and (earlier .. ';' .. value) or value)
  end
end
write_states(hash, sessions, revisions, kept_ids, added, due)
keep_window(meta, state, turned, ids, now, clock, window)
redis.call('HSET', meta, 'last', newest, 'published', published + #entries, 'copied', ARGV[4])
if reset then redis.call('HDEL', meta, 'removed', 'foreign_removed') end
return { 'done', numbers }

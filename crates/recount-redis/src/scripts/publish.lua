-- Appends events that are not there yet. Everything is looked at before anything is written.
--
-- KEYS  stream, meta, ids 0-2, sessions, then the older ids of each session
-- ARGV  1 clock or '', 2 window, 3 ids a slot, 4 mode: 'write', 'hold' or 'look', 5 expected revision or '',
--       6 '1' where conflicts are known that are not in this call, 7 '1' to write in any case,
--       8 what is known of the mismatches: 'index kind first-id ...'
--       9 the sessions, 10 the marks of the events, 11 for each event in turn the number of its session, how many
--       arguments its fields are, and its fields, of which the first is its id, the last value left out; 12 the sessions
--       whose lists are among the keys; all four packed lists; then the last value of each event: most of its bytes,
--       which would be read twice in a packed list
local stream, meta, hash = KEYS[1], KEYS[2], KEYS[6]
local ids_keys = { [0] = KEYS[3], KEYS[4], KEYS[5] }
local window = tonumber(ARGV[2])
local sessions = cmsgpack.unpack(ARGV[9])
local marks = cmsgpack.unpack(ARGV[10])
-- One flat list: tables of their own would grow step by step, for every event.
local events = cmsgpack.unpack(ARGV[11])
local lists = {}
for place, session in ipairs(cmsgpack.unpack(ARGV[12])) do lists[session] = KEYS[6 + place] end
local LAST_VALUES = 12
local event_ids, at = {}, 1
for index = 1, #marks do
  event_ids[index] = events[at + 3]
  at = at + 2 + events[at + 1]
end

local clock = clock_ms(ARGV[1])
local kept = redis.call('HMGET', meta, 'slot', 'since0', 'since1', 'since2', 'last', 'published', 'removed')
local published = tonumber(kept[6] or 0)
local last, reset = kept[5] or '0-0', false
local length = redis.call('XLEN', stream)
if length < published - tonumber(kept[7] or 0) or length > 0 and not kept[5] then
  -- Somebody else removed entries, or was there first. Asking always would cost as much as ten events.
  local failed
  last, failed = last_of(stream)
  if not last then return failed end
  reset = kept[5] and id_less(last, kept[5])
  -- The stream was removed or rolled back: ids go on above what was given out.
  if reset then last, published = kept[5], 0 end
end
local last_ms, last_seq = halves(last)
local now = tonumber(less(last_ms, clock) and clock or last_ms)
local state = window_state(kept)

-- Which ids are known.
local known = nil
for _, slot in ipairs(slots_to_ask(state, now, window)) do
  for from = 1, #event_ids, UNPACK do
    local to = math.min(from + UNPACK - 1, #event_ids)
    local found = redis.call('HMGET', ids_keys[slot], unpack(event_ids, from, to))
    for at = 1, to - from + 1 do
      if found[at] then
        local index = from + at - 1
        local entry = recalled(found[at], now, window)
        if entry then
          known = known or {}
          known[index] = known[index] or entry
        end
      end
    end
  end
end

local told = {}
for index, kind, first in string.gmatch(ARGV[8], '(%d+) (%a) (%S+)') do
  told[tonumber(index)] = { kind, first }
end
local fresh, exceptions, open, conflicts = #event_ids, {}, false, ARGV[6] == '1'
for index, entry in pairs(known or {}) do
  fresh = fresh - 1
  local first, content, time = string.match(entry, '^(%S+) (%S+) (%S*)$')
  local our_content, our_time = string.match(marks[index], '^(%S+) (%S*)$')
  local kind = 'm'
  if content == our_content and (time == '' or our_time == '' or time == our_time) then
    kind = 'd'
  elseif told[index] and told[index][2] == first then
    kind = told[index][1]
  else
    open = true
  end
  if kind ~= 'd' then conflicts = true end
  exceptions[#exceptions + 1] = { index, entry }
end
if ARGV[4] == 'look' or (ARGV[4] == 'hold' and open) then return { 'held', exceptions } end

local before, kept_ids = states_of(hash, sessions)
if ARGV[5] ~= '' and (fresh > 0 or conflicts) and before[1] ~= ARGV[5] then
  return { 'revision', ARGV[5], before[1] }
end
if fresh == 0 then
  if ARGV[7] == '1' then redis.call('HINCRBY', meta, 'waits', 1) end
  return { 'done', '', {}, exceptions }
end

-- The first of the new ids, if that many are left.
local function next_id()
  local ms, seq = clock, '0'
  if ms == '0' then seq = '1' end
  if not less(last_ms, clock) then
    ms, seq = last_ms, last_seq
    if seq == U64_MAX then
      if ms == U64_MAX then return nil end
      ms, seq = up(ms), '0'
    else
      seq = up(seq)
    end
  end
  if ms == U64_MAX then
    local left = seq
    for _ = 2, fresh do
      if left == U64_MAX then return nil end
      left = up(left)
    end
  end
  return ms, seq
end

local ms, seq = next_id()
if not ms then return { 'exhausted', last } end
local due = lists_due(lists, kept_ids)

-- From here on everything is written.
local first_id, turned, ids, id = nil, nil, nil, nil
local revisions, added = {}, {}
local remembered, count = {}, 0
at = 1
for index, event_id in ipairs(event_ids) do
  local from, to = at + 2, at + 1 + events[at + 1]
  if not (known and known[index]) then
    id = ms .. '-' .. seq
    local session = events[at]
    local revision = up(revisions[session] or before[session])
    revisions[session] = revision
    events[to] = ARGV[LAST_VALUES + index]
    if first_id then
      call('XADD', stream, id, '_revision', revision, unpack(events, from, to))
    else
      -- Nothing is written before the first one is in: its id may be taken by somebody who publishes otherwise.
      local done = redis.pcall('XADD', stream, id, '_revision', revision, unpack(events, from, to))
      if done.err then
        local failed
        last, failed = last_of(stream)
        if not last then return failed end
        last_ms, last_seq = halves(last)
        ms, seq = next_id()
        if not ms then return { 'exhausted', last } end
        id = ms .. '-' .. seq
        call('XADD', stream, id, '_revision', revision, unpack(events, from, to))
      end
      first_id = id
      turned = turn_slot(state, now, window, tonumber(ARGV[3]), ids_keys)
      ids = ids_keys[state.slot]
    end
    local earlier = added[session]
    added[session] = earlier and (earlier .. ' ' .. id) or (' ' .. id)
    remembered[count + 1] = event_id
    count = count + 2
    remembered[count] = id .. ' ' .. marks[index]
    if count >= UNPACK then
      call('HSET', ids, unpack(remembered))
      remembered, count = {}, 0
    end
    if seq == U64_MAX then ms, seq = up(ms), '0' else seq = up(seq) end
  end
  at = to + 1
end
if count > 0 then call('HSET', ids, unpack(remembered)) end
write_states(hash, sessions, revisions, kept_ids, added, due)
keep_window(meta, state, turned, ids, now, clock, window)
redis.call('HSET', meta, 'last', id, 'published', published + fresh)
if reset then redis.call('HDEL', meta, 'removed', 'foreign_removed') end
return { 'done', first_id, before, exceptions }

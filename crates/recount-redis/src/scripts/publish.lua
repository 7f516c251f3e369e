-- Appends events that are not there yet. Everything is looked at before anything is written.
--
-- KEYS  stream, meta, ids 0-2, bases, then the index of each session
-- ARGV  1 clock or '', 2 window, 3 ids a slot, 4 mode: 'write', 'hold' or 'look', 5 expected revision or '',
--       6 '1' where conflicts are known that are not in this call, 7 '1' to write in any case, 8 events, 9 sessions,
--       10 what is known of the mismatches: 'index kind first-id ...'
--       then the sessions; then for the events: ids; marks; numbers of their sessions; counts of their field arguments;
--       then all field arguments
local stream, meta, bases = KEYS[1], KEYS[2], KEYS[6]
local ids_keys = { [0] = KEYS[3], KEYS[4], KEYS[5] }
local window, events, sessions = tonumber(ARGV[2]), tonumber(ARGV[8]), tonumber(ARGV[9])
local at_sessions = 10
local at_ids = at_sessions + sessions
local at_marks = at_ids + events
local at_session = at_marks + events
local at_counts = at_session + events
local at_fields = at_counts + events

local last, added = standing(stream)
if not last then return added end
local clock = clock_ms(ARGV[1])
local kept = redis.call('HMGET', meta, 'slot', 'since0', 'since1', 'since2', 'last', 'published')
local published = tonumber(kept[6] or 0)
local reset = kept[5] and id_less(last, kept[5])
-- The stream was removed or rolled back by somebody else: ids go on above what was given out.
if reset then last, published = kept[5], 0 end
local last_ms, last_seq = halves(last)
local now = tonumber(less(last_ms, clock) and clock or last_ms)
local state = {
  slot = tonumber(kept[1] or 0),
  since = { [0] = tonumber(kept[2] or nil), tonumber(kept[3] or nil), tonumber(kept[4] or nil) },
}

-- Which ids are known.
local known = nil
for _, slot in ipairs(slots_to_ask(state, now, window)) do
  for from = 1, events, UNPACK do
    local to = math.min(from + UNPACK - 1, events)
    local found = redis.call('HMGET', ids_keys[slot], unpack(ARGV, at_ids + from, at_ids + to))
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
for index, kind, first in string.gmatch(ARGV[10], '(%d+) (%a) (%S+)') do
  told[tonumber(index)] = { kind, first }
end
local fresh, exceptions, open, conflicts = events, {}, false, ARGV[6] == '1'
for index, entry in pairs(known or {}) do
  fresh = fresh - 1
  local first, content, time = string.match(entry, '^(%S+) (%S+) (%S*)$')
  local our_content, our_time = string.match(ARGV[at_marks + index], '^(%S+) (%S*)$')
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

local rows = redis.call('HMGET', bases, unpack(ARGV, at_sessions + 1, at_sessions + math.min(sessions, UNPACK)))
for from = UNPACK + 1, sessions, UNPACK do
  local more = redis.call('HMGET', bases, unpack(ARGV, at_sessions + from, at_sessions + math.min(from + UNPACK - 1, sessions)))
  for at = 1, #more do rows[from + at - 1] = more[at] end
end
local revisions = {}
for session = 1, sessions do
  revisions[session] = tonumber(rows[session] or 0) + redis.call('LLEN', KEYS[6 + session])
end
if ARGV[5] ~= '' and (fresh > 0 or conflicts) and revisions[1] ~= tonumber(ARGV[5]) then
  return { 'revision', ARGV[5], string.format('%.0f', revisions[1]) }
end
if fresh == 0 then
  if ARGV[7] == '1' then redis.call('HINCRBY', meta, 'waits', 1) end
  return { 'done', '', {}, exceptions }
end

local ms, seq = clock, '0'
if ms == '0' then seq = '1' end
if not less(last_ms, clock) then
  ms, seq = last_ms, last_seq
  if seq == U64_MAX then
    if ms == U64_MAX then return { 'exhausted', last } end
    ms, seq = up(ms), '0'
  else
    seq = up(seq)
  end
end
if ms == U64_MAX then
  local left = seq
  for _ = 2, fresh do
    if left == U64_MAX then return { 'exhausted', last } end
    left = up(left)
  end
end
local first_id = ms .. '-' .. seq

-- From here on everything is written.
local turned = turn_slot(state, now, window, tonumber(ARGV[3]), ids_keys)
local before = {}
for session = 1, sessions do before[session] = string.format('%.0f', revisions[session]) end
local pushed, remembered, id = {}, {}, nil
local ids = ids_keys[state.slot]
local arguments = at_fields
local number = #seq < 15 and tonumber(seq) or nil
for index = 1, events do
  local count = tonumber(ARGV[at_counts + index])
  if not (known and known[index]) then
    id = ms .. '-' .. (number or seq)
    local session = tonumber(ARGV[at_session + index])
    local revision = revisions[session] + 1
    revisions[session] = revision
    redis.call('XADD', stream, id, '_revision', string.format('%.0f', revision), unpack(ARGV, arguments + 1, arguments + count))
    local list = pushed[session]
    if not list then
      list = {}
      pushed[session] = list
    end
    list[#list + 1] = id
    if #list == UNPACK then
      redis.call('RPUSH', KEYS[6 + session], unpack(list))
      pushed[session] = {}
    end
    remembered[#remembered + 1] = ARGV[at_ids + index]
    remembered[#remembered + 1] = id .. ' ' .. ARGV[at_marks + index]
    if #remembered >= UNPACK then
      redis.call('HSET', ids, unpack(remembered))
      remembered = {}
    end
    if number then
      number = number + 1
    elseif seq == U64_MAX then
      ms, seq = up(ms), '0'
    else
      seq = up(seq)
    end
  end
  arguments = arguments + count
end
for session, list in pairs(pushed) do
  if #list > 0 then redis.call('RPUSH', KEYS[6 + session], unpack(list)) end
end
if #remembered > 0 then redis.call('HSET', ids, unpack(remembered)) end
if turned and tonumber(clock) == now then
  -- No id of this slot is needed later: it takes new ones for half a window, and remembers each for one.
  redis.call('PEXPIRE', ids, string.format('%.0f', window * 2 + 1000))
end
if turned then
  redis.call('HSET', meta, 'slot', state.slot, 'since' .. state.slot, string.format('%.0f', now))
end
published = string.format('%.0f', published + fresh)
redis.call('HSET', meta, 'last', id, 'published', published)
if reset then redis.call('HDEL', meta, 'removed', 'foreign_removed') end
return { 'done', first_id, before, exceptions }

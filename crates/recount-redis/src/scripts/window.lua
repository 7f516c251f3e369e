-- The event ids that are remembered: three hashes in turn, each for half a window.

-- The slots from the oldest to the newest that may hold ids which are not forgotten yet.
local function slots_to_ask(state, now, window)
  local slots = {}
  for turn = 1, 3 do
    local slot = (state.slot + turn) % 3
    if state.since[slot] then
      -- A slot holds ids until the next one began.
      local ended = turn < 3 and state.since[(slot + 1) % 3]
      if not ended or now - ended < window then slots[#slots + 1] = slot end
    end
  end
  return slots
end

-- Of the entries remembered for an id, the first that is not forgotten.
local function recalled(value, now, window)
  for known in string.gmatch(value, '[^;]+') do
    local ms = tonumber(string.match(known, '^%d+'))
    if now - ms < window then return known end
  end
end

-- Begins the next slot where the current one is full, in time or in ids.
local function turn_slot(state, now, window, ids_max, keys)
  local since = state.since[state.slot]
  if since and now - since < window / 2 and redis.call('HLEN', keys[state.slot]) < ids_max then
    return false
  end
  if since then state.slot = (state.slot + 1) % 3 end
  state.since[state.slot] = now
  redis.call('UNLINK', keys[state.slot])
  return true
end

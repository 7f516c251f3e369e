-- The event ids that are remembered: three hashes in turn, each for half a window.

-- Which slot is in use, and when each began, of the first fields of `meta`.
local function window_state(kept)
  return {
    slot = tonumber(kept[1] or 0),
    since = { [0] = tonumber(kept[2] or nil), tonumber(kept[3] or nil), tonumber(kept[4] or nil) },
  }
end

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

-- Writes down that a slot began, and lets it expire.
local function keep_window(meta, state, turned, ids, now, clock, window)
  if not turned then return end
  -- It takes new ids for half a window, and remembers each for one. Not where ids are ahead of the clock.
  if tonumber(clock) == now and redis.call('EXISTS', ids) == 1 then
    redis.call('PEXPIRE', ids, string.format('%.0f', window * 2 + 1000))
  end
  redis.call('HSET', meta, 'slot', state.slot, 'since' .. state.slot, string.format('%.0f', now))
end

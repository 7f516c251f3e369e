-- What is kept of each session: in one hash its revision and the ids of its newest entries, `<revision> <id> ...`; older
-- ids in a list of its own, where they are moved a dozen or more at a time.
local NEWEST_BYTES = 300

-- The state of each session, and its revision as text.
local function states_of(hash, sessions)
  local states, revisions = {}, {}
  for from = 1, #sessions, UNPACK do
    local to = math.min(from + UNPACK - 1, #sessions)
    local found = redis.call('HMGET', hash, unpack(sessions, from, to))
    for at = 1, to - from + 1 do
      local revision, ids = found[at] or '0', ''
      local space = string.find(revision, ' ', 1, true)
      if space then
        revision, ids = string.sub(revision, 1, space - 1), string.sub(revision, space)
      end
      revisions[from + at - 1] = revision
      states[from + at - 1] = { revision = tonumber(revision), ids = ids }
    end
  end
  return states, revisions
end

-- Takes note of an entry of a session.
local function note(state, id)
  state.ids = state.ids .. ' ' .. id
  state.changed = true
end

-- Writes down what was noted.
local function write_states(hash, sessions, states)
  local values = {}
  for session, state in ipairs(states) do
    if state.changed then
      if #state.ids >= NEWEST_BYTES then
        local ids = {}
        for id in string.gmatch(state.ids, '%S+') do
          ids[#ids + 1] = id
          if #ids == UNPACK then
            redis.call('RPUSH', KEYS[6 + session], unpack(ids))
            ids = {}
          end
        end
        if #ids > 0 then redis.call('RPUSH', KEYS[6 + session], unpack(ids)) end
        state.ids = ''
      end
      values[#values + 1] = sessions[session]
      values[#values + 1] = string.format('%.0f', state.revision) .. state.ids
      if #values >= UNPACK then
        redis.call('HSET', hash, unpack(values))
        values = {}
      end
    end
  end
  if #values > 0 then redis.call('HSET', hash, unpack(values)) end
end

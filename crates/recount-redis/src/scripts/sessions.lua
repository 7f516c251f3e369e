-- What is kept of each session: in one hash its revision and the ids of its newest entries, `<revision> <id> ...`; older
-- ids in a list of its own, where they are moved several at a time.
--
-- Lua reads every byte of every text it makes: the fewer ids stand here, the cheaper an append.
local MOVED_FROM_BYTES = 100

-- Of each session its revision, and what follows it, both as text.
local function states_of(hash, sessions)
  local revisions, newest = {}, {}
  for from = 1, #sessions, UNPACK do
    local to = math.min(from + UNPACK - 1, #sessions)
    local found = call('HMGET', hash, unpack(sessions, from, to))
    for at = 1, to - from + 1 do
      local revision, ids = found[at] or '0', ''
      local space = string.find(revision, ' ', 1, true)
      if space then
        revision, ids = string.sub(revision, 1, space - 1), string.sub(revision, space)
      end
      revisions[from + at - 1], newest[from + at - 1] = revision, ids
    end
  end
  return revisions, newest
end

-- Leaves those lists that ids are to be moved to. Fails where one is no list, before anything is written.
local function lists_due(lists, newest)
  local due = {}
  for session, list in pairs(lists) do
    if #newest[session] >= MOVED_FROM_BYTES then
      call('LLEN', list)
      due[session] = list
    end
  end
  return due
end

-- Adds ids, each after a blank, to a list.
local function push(list, text)
  local ids = {}
  for id in string.gmatch(text, '%S+') do
    ids[#ids + 1] = id
    if #ids == UNPACK then
      call('RPUSH', list, unpack(ids))
      ids = {}
    end
  end
  if #ids > 0 then call('RPUSH', list, unpack(ids)) end
end

-- Writes down the sessions that have new entries, with their revisions, the ids they had and the ones they got. Those
-- of the sessions whose lists are due are moved.
local function write_states(hash, sessions, revisions, newest, added, due)
  local values, count = {}, 0
  for session, name in ipairs(sessions) do
    local ids = added[session]
    if ids then
      if due[session] then
        push(due[session], newest[session] .. ids)
        values[count + 2] = revisions[session]
      else
        values[count + 2] = revisions[session] .. newest[session] .. ids
      end
      values[count + 1] = name
      count = count + 2
      if count >= UNPACK then
        call('HSET', hash, unpack(values))
        values, count = {}, 0
      end
    end
  end
  if count > 0 then call('HSET', hash, unpack(values)) end
end

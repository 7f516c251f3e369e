-- The sessions' indexes and revisions.

-- The revision of each session: as numbers, and as text.
local function revisions_of(counters, sessions)
  local numbers, texts = {}, {}
  for from = 1, #sessions, UNPACK do
    local to = math.min(from + UNPACK - 1, #sessions)
    local found = redis.call('HMGET', counters, unpack(sessions, from, to))
    for at = 1, to - from + 1 do
      texts[from + at - 1] = found[at] or '0'
      numbers[from + at - 1] = tonumber(found[at] or 0)
    end
  end
  return numbers, texts
end

-- Takes note of an entry of a session.
local function add_to_index(indexes, session, id)
  local list = indexes[session]
  if not list then
    list = {}
    indexes[session] = list
  end
  list[#list + 1] = id
end

-- Writes down the entries that were noted, and the revisions that their sessions came to.
local function write_indexes(indexes, counters, sessions, revisions)
  local counts = {}
  for session, list in pairs(indexes) do
    for from = 1, #list, UNPACK do
      redis.call('RPUSH', KEYS[6 + session], unpack(list, from, math.min(from + UNPACK - 1, #list)))
    end
    counts[#counts + 1] = sessions[session]
    counts[#counts + 1] = revisions[session]
    if #counts >= UNPACK then
      redis.call('HSET', counters, unpack(counts))
      counts = {}
    end
  end
  if #counts > 0 then redis.call('HSET', counters, unpack(counts)) end
end

-- Pending entries that are gone from the stream, one after the other, before somebody is taken to need the next.
local GONE_MAX = 100

-- The first entry that is there and that a group was not delivered or did not acknowledge.
local function first_needed(stream, group, cursor)
  local begins = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if not begins then return nil end
  local next = after(cursor)
  local new = next and redis.call('XRANGE', stream, next, '+', 'COUNT', 1)[1]
  local from = begins[1]
  for tries = 1, GONE_MAX do
    local pending = from and redis.call('XPENDING', stream, group, from, '+', 1)[1]
    if not pending or new and id_less(new[1], pending[1]) then break end
    if tries == GONE_MAX or holds(stream, pending[1]) then return pending[1] end
    from = after(pending[1])
  end
  return new and new[1]
end

-- Who does or does not hold entries back: each with what it is called, the first entry that it needs, whether it
-- holds that, up to where it was given entries, and a group's name.
--
-- `policy` is '' where all of them do, 'force' where none does, or how long ago (ms) a consumer of a group called at
-- most for the group to do so. In that case `states` has the keys of the groups that are known; others do.
local function parties(stream, mirrors, clock, policy, states)
  local found = {}
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local name, cursor = field(info, 'name'), field(info, 'last-delivered-id')
    local from = first_needed(stream, name, cursor)
    if from then
      local keeps = policy ~= 'force'
      if policy ~= '' and keeps and states[name] then
        local idle = idle_of(clock, states[name], consumers_of(clock, stream, states[name], name))
        keeps = not idle or idle <= tonumber(policy)
      end
      found[#found + 1] = { by = 'group ' .. name, from = from, keeps = keeps, cursor = cursor, group = name }
    end
  end
  local now = tonumber(clock_ms(''))
  local registered = redis.call('HGETALL', mirrors)
  for at = 1, #registered, 2 do
    local synced, lease = string.match(registered[at + 1], '^(%S+) (%d+)$')
    local from = synced and after(synced)
    if from and tonumber(lease) > now then
      found[#found + 1] = { by = 'mirror ' .. registered[at], from = from, keeps = policy ~= 'force', cursor = synced }
    end
  end
  return found
end

-- Who holds entries back, and from which id on: a flat list of names and ids.
local function needs(all)
  local found = {}
  for _, party in ipairs(all) do
    if party.keeps then
      found[#found + 1] = party.by
      found[#found + 1] = party.from
    end
  end
  return found
end

-- How many entries of a page of ids those lose who do not hold them: a flat list of names and numbers.
local function losses(stream, all, ids, at_ids, count)
  local found, is_there = {}, nil
  for _, party in ipairs(all) do
    local lost = 0
    if not party.keeps then
      while lost < count and id_less(party.cursor, ids[at_ids + count - lost]) do lost = lost + 1 end
      local given = count - lost
      local from, last = ids[at_ids + 1], ids[at_ids + given]
      while party.group and from and given > 0 do
        local page = redis.call('XPENDING', stream, party.group, from, last, 1000)
        if #page > 0 and not is_there then
          is_there = {}
          for at = at_ids + 1, at_ids + count do is_there[ids[at]] = true end
        end
        for _, entry in ipairs(page) do
          if is_there[entry[1]] then lost = lost + 1 end
        end
        from = #page == 1000 and after(page[1000][1])
      end
    end
    if lost > 0 then
      found[#found + 1] = party.by
      found[#found + 1] = lost
    end
  end
  return found
end

-- The keys of the groups that are named in the arguments from `at` on, of `count` groups.
local function states_from(at, count, at_key)
  local found = {}
  for group = 1, count do found[ARGV[at + group]] = KEYS[at_key + group] end
  return found
end

local LAST_ID = U64_MAX .. '-' .. U64_MAX

-- The id that follows another; nothing after the last there can be.
local function after(id)
  if id == LAST_ID then return nil end
  local ms, seq = halves(id)
  if seq == U64_MAX then return up(ms) .. '-0' end
  return ms .. '-' .. up(seq)
end

-- Who still needs entries, and from which id on: a flat list of names and ids.
local function needs(stream, mirrors)
  local found = {}
  local groups = redis.call('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups) do
    local name = field(group, 'name')
    local from = after(field(group, 'last-delivered-id'))
    if tonumber(field(group, 'pending')) > 0 then
      local pending = redis.call('XPENDING', stream, name)
      if pending[2] and (not from or id_less(pending[2], from)) then from = pending[2] end
    end
    if from then
      found[#found + 1] = 'group ' .. name
      found[#found + 1] = from
    end
  end
  local now = tonumber(clock_ms(''))
  local registered = redis.call('HGETALL', mirrors)
  for at = 1, #registered, 2 do
    local synced, lease = string.match(registered[at + 1], '^(%S+) (%d+)$')
    local from = synced and after(synced)
    if from and tonumber(lease) > now then
      found[#found + 1] = 'mirror ' .. registered[at]
      found[#found + 1] = from
    end
  end
  return found
end

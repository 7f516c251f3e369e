-- Who still needs entries, and from which id on: a flat list of names and ids.
local function needs(stream, mirrors)
  local found = {}
  local groups = redis.call('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups) do
    local name = field(group, 'name')
    local from = field(group, 'last-delivered-id')
    local ms, seq = halves(from)
    if seq == U64_MAX then ms, seq = up(ms), '0' else seq = up(seq) end
    from = ms .. '-' .. seq
    if tonumber(field(group, 'pending')) > 0 then
      local pending = redis.call('XPENDING', stream, name)
      if pending[2] and id_less(pending[2], from) then from = pending[2] end
    end
    found[#found + 1] = 'group ' .. name
    found[#found + 1] = from
  end
  local now = tonumber(clock_ms(''))
  local registered = redis.call('HGETALL', mirrors)
  for at = 1, #registered, 2 do
    local synced, lease = string.match(registered[at + 1], '^(%S+) (%d+)$')
    if synced and tonumber(lease) > now then
      local ms, seq = halves(synced)
      if seq == U64_MAX then ms, seq = up(ms), '0' else seq = up(seq) end
      found[#found + 1] = 'mirror ' .. registered[at]
      found[#found + 1] = ms .. '-' .. seq
    end
  end
  return found
end

local LAST_ID = U64_MAX .. '-' .. U64_MAX

-- The id that follows another; nothing after the last there can be.
local function after(id)
  if id == LAST_ID then return nil end
  local ms, seq = halves(id)
  if seq == U64_MAX then return up(ms) .. '-0' end
  return ms .. '-' .. up(seq)
end

-- Whether the stream holds an entry.
local function holds(stream, id)
  return #redis.call('XRANGE', stream, id, id) > 0
end

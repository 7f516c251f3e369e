-- Owns what was given back.
local GIVEN_BACK = 'recount:given-back'

-- The consumers of a group: names, what is pending for each, and how long ago (ms) it called. `clock` as everywhere:
-- where one is given, scripts note by it when each called.
local function consumers_of(clock, stream, state, group)
  local found = {}
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local name, idle = field(info, 'name'), field(info, 'idle')
    if clock ~= '' then
      local at = redis.call('HGET', state, 'c:' .. name)
      if at then idle = math.max(0, clock - at) end
    end
    found[#found + 1] = { name, field(info, 'pending'), idle }
  end
  return found
end

-- How long ago (ms) a consumer of a group called, those that are gone included; nothing if none ever did.
local function idle_of(clock, state, consumers)
  local at = redis.call('HGET', state, 'called')
  local least = at and math.max(0, clock_ms(clock) - at)
  for _, consumer in ipairs(consumers) do
    if consumer[1] ~= GIVEN_BACK and not (least and least <= consumer[3]) then least = consumer[3] end
  end
  return least
end

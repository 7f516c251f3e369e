-- What the scripts on groups begin with. `clock` is the given time in milliseconds, or '' where the server's counts.

-- After every entry. (The very last id means '>' to servers before 7.2.)
local BEYOND = U64_MAX .. '-18446744073709551614'

-- Notes that a consumer called, so that it is there; what the server says where it is not.
local function called(clock, stream, state, group, consumer)
  local said = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, BEYOND)
  if said and said.err then return said end
  if clock ~= '' then redis.call('HSET', state, 'c:' .. consumer, clock) end
end

-- What is pending, as XPENDING lists it: ids, owners, idle times, counts.
local function listed(clock, stream, group, from, to, count, consumer)
  local found, at
  repeat
    at = clock ~= '' and clock_ms('')
    if consumer then
      found = redis.pcall('XPENDING', stream, group, from, to, count, consumer)
    else
      found = redis.pcall('XPENDING', stream, group, from, to, count)
    end
  -- The server's idle times are moved to the given clock, so its own has to stand still meanwhile.
  until not at or at == clock_ms('')
  if at and not found.err then
    for _, entry in ipairs(found) do entry[3] = math.max(0, entry[3] - at + clock) end
  end
  return found
end

-- Options of XCLAIM by which an idle time begins again.
local function fresh(clock)
  if clock == '' then return 'IDLE', 0 end
  return 'TIME', clock
end

-- Options of XCLAIM by which an idle time stays what it is.
local function kept(clock, idle)
  if clock == '' then return 'IDLE', idle end
  return 'TIME', math.max(0, clock - idle)
end

local function claimable(entry, due, min_idle, now)
  if entry[2] ~= GIVEN_BACK then return entry[3] >= min_idle end
  local from = redis.call('HGET', due, entry[1])
  return not from or tonumber(from) <= now
end

-- Delivers a pending entry again: its id, how often it was delivered, and its fields. One without an entry stays as
-- it is: servers from 7.0 on would not hand it over but take it for acknowledged.
local function delivered(clock, stream, group, due, consumer, entry)
  local id, times = entry[1], entry[4] + 1
  local found = redis.call('XRANGE', stream, id, id)
  if #found == 0 then return { id, times } end
  local option, value = fresh(clock)
  redis.call('XCLAIM', stream, group, consumer, 0, id, option, value, 'RETRYCOUNT', times, 'JUSTID')
  if entry[2] == GIVEN_BACK then redis.call('HDEL', due, id) end
  return { id, times, found[1][2] }
end

-- What every script begins with. Ids are compared as text: their halves are 64-bit, Lua's numbers are not.
if redis.replicate_commands then redis.replicate_commands() end

local U64_MAX = '18446744073709551615'
-- Values that one call may unpack. Lua stops at about 8,000.
local UNPACK = 4000

local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local function halves(id)
  local dash = string.find(id, '-', 1, true)
  return string.sub(id, 1, dash - 1), string.sub(id, dash + 1)
end

local function id_less(a, b)
  local a_ms, a_seq = halves(a)
  local b_ms, b_seq = halves(b)
  if a_ms ~= b_ms then return less(a_ms, b_ms) end
  return less(a_seq, b_seq)
end

local format, call = string.format, redis.call

-- What follows the numbers that are met most: a look costs a fraction of writing a number.
local NEXT = {
  ['0'] = '1', ['1'] = '2', ['2'] = '3', ['3'] = '4', ['4'] = '5', ['5'] = '6', ['6'] = '7', ['7'] = '8', ['8'] = '9',
  ['9'] = '10', ['10'] = '11', ['11'] = '12', ['12'] = '13', ['13'] = '14', ['14'] = '15', ['15'] = '16', ['16'] = '17',
  ['17'] = '18', ['18'] = '19', ['19'] = '20', ['20'] = '21', ['21'] = '22', ['22'] = '23', ['23'] = '24', ['24'] = '25',
  ['25'] = '26', ['26'] = '27', ['27'] = '28', ['28'] = '29', ['29'] = '30', ['30'] = '31', ['31'] = '32',
}

-- A decimal number plus one.
local function up(digits)
  if NEXT[digits] then return NEXT[digits] end
  if #digits < 15 then return format('%d', digits + 1) end
  local at = #digits
  while at > 0 and string.sub(digits, at, at) == '9' do at = at - 1 end
  local zeros = string.rep('0', #digits - at)
  if at == 0 then return '1' .. zeros end
  return string.sub(digits, 1, at - 1) .. (string.byte(digits, at) - 47) .. zeros
end

-- Milliseconds of the given clock, or of the server's.
local function clock_ms(given)
  if given ~= '' then return given end
  local time = redis.call('TIME')
  return time[1] .. string.format('%03d', math.floor(time[2] / 1000))
end

-- The value of a field in a flat reply of names and values.
local function field(reply, name)
  for at = 1, #reply, 2 do
    if reply[at] == name then return reply[at + 1] end
  end
end

-- The last id the stream gave out, also where its entry is gone.
local function last_of(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err then
    if string.find(info.err, 'no such key', 1, true) then return '0-0' end
    return nil, info
  end
  return field(info, 'last-generated-id')
end

-- Candidates who send what they have to send at moments that were fixed before, however late the replies are.
--
-- wrk -t THREADS -c CONNECTIONS -d LONG -s candidates.lua ADDRESS -- PHASE FOLDER BEGINNING RATE SECONDS COUNT
--   PHASE      "starts": each line of FOLDER/<thread>.in is a code, used once. "answers": each is "token handle [how
--              many answers at most]"; candidates take turns, and who has no reply when the turn comes round, or was
--              refused, repeats the same answer under the same key.
--   BEGINNING  of the schedule, in seconds of the machine's monotonic clock
--   RATE       requests a second of one thread, for SECONDS; 0: each as soon as a connection is free, in one thread
--   COUNT      how many of a thread's candidates take turns; the others replace those whose sitting is over
--
-- A line of FOLDER/<thread>.out is a reply: status and microseconds since BEGINNING; of an accepted answer also when it
-- was due, when it was sent, token, handle of the answer and of the next question ("-": none); of a start token and handle.
-- FOLDER/<thread>.done is there once every request has its reply: wrk itself would go on until its time is over.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds, nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local MONOTONIC, moment = 1, ffi.new("moment")
local NEVER = 3600 * 1000

local number, threads = 0, {}
function setup(thread)
  number = number + 1
  thread:set("place", number)
  threads[number] = thread
end

local function now() -- microseconds since the beginning
  ffi.C.clock_gettime(MONOTONIC, moment)
  return (tonumber(moment.seconds) - beginning) * 1e6 + tonumber(moment.nanoseconds) / 1e3
end

function init(args)
  starting, folder, beginning = args[1] == "starts", args[2], tonumber(args[3])
  local rate, seconds, count = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  ring, reserve, known = {}, {}, {}
  local most = 0
  for line in io.lines(folder .. "/" .. place .. ".in") do
    local token, handle, left = line:match("(%S+) ?(%S*) ?(%S*)")
    local one = { token = token, handle = handle, left = tonumber(left) or math.huge, seq = 0 }
    if #ring < count then ring[#ring + 1] = one else reserve[#reserve + 1] = one end
    one.at = #ring
    known[token:match("[^.]+")] = one
    most = most + (starting and 1 or one.left)
  end
  every = rate > 0 and 1e6 / rate or 0
  slots = math.min(most, rate > 0 and math.floor(rate * seconds) or math.huge) -- requests to send
  granted, sent, replies, repeated, turn = 0, 0, 0, 0, 0
  out = io.open(folder .. "/" .. place .. ".out", "w")
  out:setvbuf("full", 65536)
end

function delay()
  if granted >= slots then return NEVER end
  granted = granted + 1
  return every > 0 and math.max(0, math.ceil(((granted - 1) * every - now()) / 1000)) or 0
end

function request()
  if granted == 0 then return wrk.format("GET", "/health") end -- wrk looks at one before it begins
  turn = turn % #ring + 1
  local one = ring[turn]
  one.sent = now()
  one.slot = every > 0 and sent * every or one.sent
  sent = sent + 1
  if starting then
    return wrk.format("POST", "/api/v1/sittings", { ["Content-Type"] = "application/json" },
      '{"code":"' .. one.token .. '"}')
  end
  return wrk.format("POST", "/api/v1/sittings/current/answers", {
    ["Authorization"] = "Bearer " .. one.token,
    ["Idempotency-Key"] = one.handle,
    ["Content-Type"] = "application/json",
  }, '{"handle":"' .. one.handle .. '","response":{"RESPONSE":["' .. (one.handle:byte() % 2 == 0 and "B" or "A") .. '"]}}')
end

local function replace(one)
  local other = table.remove(reserve) or table.remove(ring)
  if other ~= one then
    other.at = one.at
    ring[one.at] = other
  end
end

local function acknowledged(at, body)
  local one, seq = known[body:match('"sitting":"([^"]+)"')], tonumber(body:match('"seq":(%d+)'))
  if seq <= one.seq then -- the reply to a repetition
    repeated = repeated + 1
    return
  end
  local handle = body:match('"handle":"([^"]+)"')
  out:write(string.format("200 %d %d %d %s %s %s\n", at, one.slot, one.sent, one.token, one.handle, handle or "-"))
  one.seq, one.handle, one.left = seq, handle, one.left - 1
  if not handle or one.left <= 0 then replace(one) end
end

function response(status, headers, body)
  local at = now()
  replies = replies + 1
  if status == 200 then
    acknowledged(at, body)
  elseif status == 201 then
    out:write(string.format("201 %d %s %s\n", at, body:match('"token":"([^"]+)"'), body:match('"handle":"([^"]+)"')))
  else
    out:write(string.format("%d %d\n", status, at))
    if status ~= 503 then io.stderr:write(status, " ", body, "\n") end
  end
  if replies == slots then
    out:close()
    io.open(folder .. "/" .. place .. ".done", "w"):close()
  end
end

function done(summary, latency, requests)
  local all, again, errors = 0, 0, summary.errors
  for _, thread in ipairs(threads) do
    all, again = all + thread:get("sent"), again + thread:get("repeated")
  end
  io.write(string.format(
    '{"sent":%d,"repeated":%d,"broken":%d,"p99_ms":%.1f,"max_ms":%.1f}\n', all, again,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99) / 1000, latency.max / 1000))
end

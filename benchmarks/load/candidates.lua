-- One candidate a connection, and one connection a thread. Given a file of codes ("starts"), begins a sitting with
-- each and writes its token and first handle; given those ("answers"), answers item after item. Whoever is refused with
-- 503 waits as long as Retry-After says and tries again with the same key.
local number, threads = 0, {}
function setup(thread)
  number = number + 1
  thread:set("place", number)
  threads[number] = thread
end

function init(args)
  phase, sittings, at, waiting = args[1], {}, 1, 0
  accepted, refused, other = 0, 0, 0
  local place_in = args[2] .. "/" .. place
  for line in io.lines(place_in .. (phase == "starts" and ".codes" or ".tokens")) do
    local token, handle = line:match("(%S+) ?(%S*)")
    sittings[#sittings + 1] = { token, handle }
  end
  if phase == "starts" then
    out = io.open(place_in .. ".tokens", "w")
  end
  handle = sittings[1][2]
end

function request()
  if phase == "starts" then
    return wrk.format("POST", "/api/v1/sittings", { ["Content-Type"] = "application/json" },
      '{"code":"' .. sittings[at][1] .. '"}')
  end
  return wrk.format("POST", "/api/v1/sittings/current/answers", {
    ["Authorization"] = "Bearer " .. sittings[at][1],
    ["Idempotency-Key"] = handle,
    ["Content-Type"] = "application/json",
  }, '{"handle":"' .. handle .. '","response":{"RESPONSE":["' .. (at % 2 == 0 and "B" or "A") .. '"]}}')
end

function delay()
  return waiting
end

local function next_sitting()
  at = at + 1
  if at > #sittings then
    if out then out:close() end
    wrk.thread:stop()
    at = #sittings
  end
  handle = sittings[at][2]
end

function response(status, headers, body)
  waiting = 0
  if status == 503 and headers["retry-after"] then
    refused = refused + 1
    waiting = 1000 * tonumber(headers["retry-after"])
  elseif status == 201 then
    accepted = accepted + 1
    out:write(body:match('"token":"([^"]+)"'), " ", body:match('"handle":"([^"]+)"'), "\n")
    next_sitting()
  elseif status == 200 then
    accepted = accepted + 1
    handle = body:match('"handle":"([^"]+)"')
    if not handle then next_sitting() end
  else
    other = other + 1
  end
end

function done(summary, latency, requests)
  local sums = { accepted = 0, refused = 0, other = 0 }
  for _, thread in ipairs(threads) do
    for name, sum in pairs(sums) do
      sums[name] = sum + thread:get(name)
    end
  end
  local errors = summary.errors
  io.write(string.format(
    '{"seconds":%.3f,"p50_ms":%.1f,"p99_ms":%.1f,"max_ms":%.1f,"accepted":%d,"refused":%d,"failed":%d}\n',
    summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000,
    sums.accepted, sums.refused, sums.other + errors.connect + errors.read + errors.write + errors.timeout))
end

-- One candidate a connection: answers the open item, then the next; a new sitting when one is over.
-- Each wrk thread has one connection, and a file of its own with tokens and first handles.
local number = 0
function setup(thread)
  number = number + 1
  thread:set("place", number)
end

function init(args)
  sittings, at, refused, other = {}, 1, 0, 0
  for line in io.lines(args[1] .. "/" .. place) do
    local token, handle = line:match("(%S+) (%S+)")
    sittings[#sittings + 1] = { token, handle }
  end
  handle = sittings[1][2]
end

function request()
  return wrk.format("POST", "/api/v1/sittings/current/answers", {
    ["Authorization"] = "Bearer " .. sittings[at][1],
    ["Idempotency-Key"] = handle,
    ["Content-Type"] = "application/json",
  }, '{"handle":"' .. handle .. '","response":{"RESPONSE":["' .. (at % 2 == 0 and "B" or "A") .. '"]}}')
end

function response(status, headers, body)
  if status == 200 then
    local following = body:match('"handle":"([^"]+)"')
    if following then
      handle = following
    else
      at = at % #sittings + 1
      handle = sittings[at][2]
    end
  elseif status == 503 then
    refused = refused + 1
  else
    other = other + 1
  end
end

function done(summary, latency, requests)
  io.write(string.format(
    '{"requests":%d,"seconds":%.3f,"p50_ms":%.1f,"p99_ms":%.1f,"max_ms":%.1f,"failed":%d,"status":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout, summary.errors.status))
end

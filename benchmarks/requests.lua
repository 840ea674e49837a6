-- wrk: requests at random from the lines of PATHS, with a token; PATCH bodies set FIELD to a random number.
local paths, headers = {}, {}
local method, field = os.getenv("METHOD") or "GET", os.getenv("FIELD")

function init()
  for line in io.lines(os.getenv("PATHS")) do paths[#paths + 1] = line end
  headers["Authorization"] = "Bearer " .. os.getenv("TOKEN")
  if method ~= "GET" then headers["Content-Type"] = "application/json" end
  math.randomseed(1)
end

function request()
  local body = method ~= "GET" and string.format('{"%s": %.6f}', field, math.random()) or nil
  return wrk.format(method, paths[math.random(#paths)], headers, body)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\nFIGURES {"requests": %d, "per_second": %.1f, "p50_ms": %.2f, "p99_ms": %.2f, "errors": %d}\n',
    summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end

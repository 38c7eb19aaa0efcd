-- Post the body in $BODY, and end with a line of JSON.
wrk.method = "POST"
wrk.body = os.getenv("BODY")
wrk.headers["Content-Type"] = "application/json"

function done(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('{"requests": %d, "microseconds": %d, "errors": %d}\n',
    summary.requests, summary.duration, errors))
end

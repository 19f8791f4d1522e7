-- One event a request, the events of a file in turn, a JSON text each line. Ends with the figures as one line of JSON.
--
--     wrk --script load.lua URL/event -- KEY FILE

local requests, sent = {}, 0

function init(arguments)
    wrk.method = "POST"
    wrk.headers["X-API-Key"] = arguments[1]
    wrk.headers["Content-Type"] = "application/json"
    for line in io.lines(arguments[2]) do
        requests[#requests + 1] = wrk.format(nil, nil, nil, line)
    end
end

function request()
    sent = sent + 1
    return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"micros":%d,"median_micros":%d,"p99_micros":%d,"errors":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.timeout + errors.status
    ))
end

-- Unique requests for wrk: a template (bench/../clipper/bench/client/request_set.hpp says its form) whose hole gets a counter.
-- The template's path and the first counter come through the environment, as wrk gives `done` no arguments.
local ffi = require("ffi")

local function load_template(path)
  local file = assert(io.open(path, "rb"))
  local form, count = file:read("*l"):match("(%a+) (%d+)")
  local sizes, before, after = {}, {}, {}
  for i = 1, tonumber(count) do
    local b, a = file:read("*l"):match("(%d+) (%d+)")
    sizes[i] = { tonumber(b), tonumber(a) }
  end
  for i, size in ipairs(sizes) do
    before[i] = file:read(size[1])
    after[i] = file:read(size[2])
  end
  file:close()
  return form, tonumber(count), before, after
end

local form, count, before, after = load_template(os.getenv("BENCH_TEMPLATE"))
local counter = tonumber(os.getenv("BENCH_FIRST_COUNTER"))
local step = form == "fixed" and 0 or 1
local format = string.format
local number = ffi.new("double[1]")

function request()
  local variant = counter % count + 1
  local hole
  if form == "double" then
    number[0] = counter * 1e-8
    hole = ffi.string(number, 8)
  else
    hole = format("%08d", counter)
  end
  counter = counter + step
  return before[variant] .. hole .. after[variant]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(format(
    '\nBENCH {"requests":%d,"duration_us":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,' ..
    '"mean_us":%.1f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d}\n',
    summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write, errors.status,
    errors.timeout, latency.mean, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max))
end

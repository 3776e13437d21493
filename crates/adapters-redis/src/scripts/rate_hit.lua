-- KEYS window. ARGV now, limit, interval, end of a window that begins now, time to live (ms). {allowed, count, end}.
-- A counter is kept as hits in a window that ends, and read as if all of them had come at its beginning: it is wholly free
-- once they came back one by one. (Gcra::of_window; the version before kept fixed windows in the same fields.)
local window = redis.call('HMGET', KEYS[1], 'count', 'resets_at')
local count, ends = tonumber(window[1]), window[2]
local now, limit, interval = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- What ends later is from a longer policy, or from a clock ahead of this one.
local latest = tonumber(ARGV[4])
local free = ends and math.min(tonumber(ends), latest) + (count - limit) * interval
if not free or free <= now then
  redis.call('HSET', KEYS[1], 'count', '1', 'resets_at', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {1, 1, ARGV[4]}
end
if free > latest - interval then
  return {0, count, ends}
end
if count < limit then
  if tonumber(ends) > latest then
    ends = ARGV[4]
    redis.call('HSET', KEYS[1], 'resets_at', ends)
  end
  return {1, redis.call('HINCRBY', KEYS[1], 'count', 1), ends}
end
-- What came back into a full window is taken: its end moves on.
ends = string.format('%.0f', tonumber(ends) + interval)
redis.call('HSET', KEYS[1], 'resets_at', ends)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {1, count, ends}

-- KEYS window. ARGV now, limit, interval, end of a window that begins now, time to live (ms), latest end. {allowed, count, end}.
-- A counter is kept as hits in a window that ends, and read as if all of them had come at its beginning: it is wholly free
-- once they came back one by one. (Gcra::of_window; the version before kept fixed windows in the same fields.)
local window = redis.call('HMGET', KEYS[1], 'count', 'resets_at')
local count, ends = tonumber(window[1]), window[2]
local now, limit, interval = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- What ends after the latest end is nobody's; everything else is as it stands, whatever this clock says (Gcra::standing).
local stands = ends and tonumber(ends) <= tonumber(ARGV[6])
-- More hits than the limit, which was higher then, are the limit.
local free = stands and tonumber(ends) - math.max(limit - count, 0) * interval
if not stands or free <= now then
  redis.call('HSET', KEYS[1], 'count', '1', 'resets_at', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {1, 1, ARGV[4]}
end
if free > tonumber(ARGV[4]) - interval then
  return {0, count, ends}
end
if count < limit then
  return {1, redis.call('HINCRBY', KEYS[1], 'count', 1), ends}
end
-- What came back into a full window is taken: its end moves on.
ends = string.format('%.0f', tonumber(ends) + interval)
redis.call('HSET', KEYS[1], 'count', ARGV[2], 'resets_at', ends)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return {1, limit, ends}

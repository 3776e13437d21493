-- KEYS window. ARGV now, limit, end of a window that begins now, time to live (ms). {allowed, count, end}.
local window = redis.call('HMGET', KEYS[1], 'count', 'resets_at')
local count, ends = tonumber(window[1]), window[2]
if not ends or tonumber(ends) <= tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'count', '1', 'resets_at', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return {1, 1, ARGV[3]}
end
if count >= tonumber(ARGV[2]) then
  return {0, count, ends}
end
return {1, redis.call('HINCRBY', KEYS[1], 'count', 1), ends}

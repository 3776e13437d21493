-- KEYS session. ARGV when it was seen.
local seen = redis.call('HGET', KEYS[1], 'last_seen_at')
if seen and tonumber(seen) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'last_seen_at', ARGV[1])
end
return 1

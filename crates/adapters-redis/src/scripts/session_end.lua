-- KEYS session. ARGV now, reason. {1 when this call ended it, the session as it is now}, or nothing.
local stored = redis.call('HMGET', KEYS[1], 'expires_at', 'ended')
if not stored[1] then
  return false
end
local ended = 0
if not stored[2] and tonumber(stored[1]) > tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'ended', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  ended = 1
end
return {ended, redis.call('HGETALL', KEYS[1])}

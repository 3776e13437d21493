-- Keeps what Session::present decided, unless the session changed since it was read.
-- KEYS session. ARGV version it was read at, last_seen_at, then fields and values.
-- {1 when kept, the session as it is now}, or nothing when there is none.
local stored = redis.call('HMGET', KEYS[1], 'version', 'last_seen_at')
if not stored[1] then
  return false
end
local kept = 0
if stored[1] == ARGV[1] then
  redis.call('HSET', KEYS[1], unpack(ARGV, 3))
  if tonumber(ARGV[2]) > tonumber(stored[2]) then
    redis.call('HSET', KEYS[1], 'last_seen_at', ARGV[2])
  end
  redis.call('HINCRBY', KEYS[1], 'version', 1)
  kept = 1
end
return {kept, redis.call('HGETALL', KEYS[1])}

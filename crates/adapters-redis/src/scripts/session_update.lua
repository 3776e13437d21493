-- KEYS session. ARGV fields and values. 1 when it is there and has not ended.
local stored = redis.call('HMGET', KEYS[1], 'version', 'ended')
if not stored[1] or stored[2] then
  return 0
end
if #ARGV > 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV))
end
return 1

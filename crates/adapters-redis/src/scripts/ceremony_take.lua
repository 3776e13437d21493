-- KEYS ceremony. ARGV now. The state when it was alive. Either way it is gone.
local ceremony = redis.call('HMGET', KEYS[1], 'expires_at', 'state')
if not ceremony[1] then
  return false
end
redis.call('DEL', KEYS[1])
if tonumber(ceremony[1]) <= tonumber(ARGV[1]) then
  return false
end
return ceremony[2]

-- KEYS ceremony. ARGV now, expires_at, time to live (ms), state. 1 when it was added, 0 when one is alive.
local ends = redis.call('HGET', KEYS[1], 'expires_at')
if ends and tonumber(ends) > tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'expires_at', ARGV[2], 'state', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1

-- KEYS stream, state. ARGV name of a new feed, time to live (ms), …
-- Begins a new feed when stream and state do not fit together: flushed, expired, or restored in parts.
local state = redis.call('HMGET', KEYS[2], 'id', 'sequence')
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local at = newest and newest[1] or '0-0'
if not state[1] or not state[2] or at ~= state[2] .. '-0' then
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[2], 'id', ARGV[1], 'sequence', '0')
  state, newest = {ARGV[1], '0'}, nil
end

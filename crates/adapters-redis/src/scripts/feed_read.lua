-- … most entries returned, then the reader's feed, sequence and history.
-- {feed, 1 when entries the reader has not seen are lost, entries}
local lost, after = 0, '0'
if ARGV[4] == state[1] then
  if ARGV[5] == '0' then
    local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if oldest and oldest[1] ~= '1-0' then
      lost = 1
    end
  else
    -- The last entry that was read must still be there, and everything before it be what it was: after a failover to a
    -- replica that was behind, others may stand in its place.
    local last = redis.call('XRANGE', KEYS[1], ARGV[5] .. '-0', ARGV[5] .. '-0')[1]
    if last and last[2][2] == ARGV[6] then
      after = ARGV[5]
    else
      lost = 1
    end
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {state[1], lost, redis.call('XRANGE', KEYS[1], '(' .. after .. '-0', '+', 'COUNT', ARGV[3])}

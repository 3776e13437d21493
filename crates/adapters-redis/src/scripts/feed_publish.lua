-- … most entries kept, entries.
-- `history` names an entry and all before it: a chain of hashes from the feed's name on.
local history = newest and newest[2][2] or state[1]
for i = 4, #ARGV do
  history = redis.sha1hex(history .. '/' .. ARGV[1] .. '/' .. ARGV[i])
  local id = string.format('%.0f-0', redis.call('HINCRBY', KEYS[2], 'sequence', 1))
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], id, 'history', history, 'revocation', ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1

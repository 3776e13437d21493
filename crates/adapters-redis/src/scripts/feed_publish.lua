-- … most entries kept, entries.
for i = 4, #ARGV do
  local sequence = redis.call('HINCRBY', KEYS[2], 'sequence', 1)
  local id = string.format('%.0f-0', sequence)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], id, 'by', ARGV[1], 'revocation', ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1

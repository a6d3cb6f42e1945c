"""Scripts that run inside the server, each as one step that no other command comes between.

They take what they work on as arguments alone, so no key and no value is ever read as code.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from attrs import field, frozen
from redis.exceptions import NoScriptError

from intonaco.ext.redis.connections import Argument, Link, packed

__all__ = ["APPEND", "CLAIM", "PUT", "READ", "TRIM", "Script"]


@frozen
class Script:
    """A script, and the name by which a server that has seen it knows it."""

    text: str = field(repr=False)
    digest: str = field(init=False)

    @digest.default
    def _digest(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def command(self, keys: Sequence[bytes], arguments: Sequence[Argument]) -> bytes:
        """The command that runs it."""
        return packed("EVALSHA", self.digest, len(keys), *keys, *arguments)

    def load(self, link: Link) -> None:
        """Make it known to the server."""
        link.ask([packed("SCRIPT", "LOAD", self.text)])

    def run(self, link: Link, keys: Sequence[bytes], arguments: Sequence[Argument], *after: bytes) -> list[Any]:
        """Its answer and those to the commands after it; a server that does not know it is told it."""
        commands = [self.command(keys, arguments), *after]
        try:
            return link.ask(commands)
        except NoScriptError:
            self.load(link)
            return link.ask(commands)


#: KEYS: where; ARGV: the entries, as `entries.py` of storage lays them out. How many took effect; or, if what is
#: stored at place i is no entry, -i, and nothing is changed.
#: Strings are compared byte by byte, for `<` of Lua goes by the server's locale.
PUT = Script("""
local function greater(new, old)
  local block = 256
  for first = 1, math.max(#new, #old), block do
    local a, b = string.sub(new, first, first + block - 1), string.sub(old, first, first + block - 1)
    if a ~= b then
      for at = 1, math.min(#a, #b) do
        local x, y = string.byte(a, at), string.byte(b, at)
        if x ~= y then return x > y end
      end
      return #a > #b
    end
  end
  return false
end
local taken, n, block = {}, 0, 1000
for first = 1, #KEYS, block do
  local last = math.min(first + block - 1, #KEYS)
  local there = redis.call('MGET', unpack(KEYS, first, last))
  for i = first, last do
    local new, old = ARGV[i], there[i - first + 1]
    local wins = not old
    if old and old ~= new then
      if #old < 13 or string.byte(old) ~= 1 then return -i end
      local _, new_low, new_high = struct.unpack('<BI4i4', new)
      local _, old_low, old_high = struct.unpack('<BI4i4', old)
      if new_high ~= old_high then wins = new_high > old_high
      elseif new_low ~= old_low then wins = new_low > old_low
      else wins = greater(string.sub(new, 10, -5), string.sub(old, 10, -5)) end
    end
    if wins then
      taken[n + 1], taken[n + 2], n = KEYS[i], new, n + 2
    end
  end
end
for first = 1, n, 2 * block do
  redis.call('MSET', unpack(taken, first, math.min(first + 2 * block - 1, n)))
end
return n / 2
""")

#: KEYS: the records, their head, the set of topics; ARGV: the topic with its partition, then the records. The last offset.
#: What is written last says that all is there, so the first record that is refused refuses all.
APPEND = Script("""
local last = tonumber(redis.call('HGET', KEYS[2], 'last'))
if not last and redis.call('EXISTS', KEYS[1]) == 1 then return redis.error_reply('DAMAGED ' .. KEYS[2]) end
local new = not last
last = last or 0
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], string.format('%.0f-0', last + i - 1), 'r', ARGV[i])
end
last = last + #ARGV - 1
redis.call('HSET', KEYS[2], 'last', string.format('%.0f', last))
if new then
  redis.call('HSET', KEYS[2], 'trimmed', 0)
  redis.call('SADD', KEYS[3], ARGV[1])
end
return last
""")

#: KEYS: the records, their head; ARGV: behind which id, how many at most. How far was appended and trimmed; then id and record by turns.
READ = Script("""
local head = redis.call('HMGET', KEYS[2], 'last', 'trimmed')
local told, n = {head[1], head[2]}, 2
for _, row in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  told[n + 1], told[n + 2], n = row[1], row[2][2], n + 2
end
return told
""")

#: KEYS: the records, their head; ARGV: through which offset.
TRIM = Script("""
local head = redis.call('HMGET', KEYS[2], 'last', 'trimmed')
if not head[1] then return 0 end
local through = math.min(tonumber(ARGV[1]), tonumber(head[1]))
if through <= tonumber(head[2]) then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-0', through + 1))
redis.call('HSET', KEYS[2], 'trimmed', string.format('%.0f', through))
return 1
""")

#: KEYS: the records; ARGV: group, consumer, after how many milliseconds a claim is void, how many at most. Records that were
#: claimed before, how often each was given out now, and new records.
CLAIM = Script("""
local key, group, consumer, idle, limit = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if redis.call('EXISTS', key) == 0 then return {{}, {}, {}} end
redis.pcall('XGROUP', 'CREATE', key, group, '0')
local again, times, from = {}, {}, '0-0'
repeat
  local found = redis.call('XAUTOCLAIM', key, group, consumer, idle, from, 'COUNT', limit - #again)
  from = found[1]
  for _, record in ipairs(found[2]) do
    again[#again + 1] = record
    times[#times + 1] = redis.call('XPENDING', key, group, record[1], record[1], 1)[1][4]
  end
until from == '0-0' or #again >= limit
local new = {}
if #again < limit then
  local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', limit - #again, 'STREAMS', key, '>')
  if found then new = found[1][2] end
end
return {again, times, new}
""")

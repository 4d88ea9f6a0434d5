"""How a fleet keeps to the limit of its client, in the Redis that it shares.

The server counts calls in windows. Each begins with the first call after the last one was over. So
each window of the fleet begins with one call, the probe: when the server takes it, the others go.
The first refusal shows the limit, stated by the server or counted from what all have sent by then.
The length of a window shows when a call is refused in the middle of it, or the next probe is taken.

    open      permits are given out until the limit is reached
    closed    nobody gets a permit until `lo`; then one process gets one, to see

All times are milliseconds on the clock of Redis.
"""

from __future__ import annotations

from typing import Final

# KEYS: the state, the members, the channel. ARGV[1]: the process.
_BEGIN: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state, members, channel = KEYS[1], KEYS[2], KEYS[3]
local names = {'epoch', 'phase', 'limit', 'stated', 'window', 'begins', 'given', 'lo', 'least',
               'probed', 'probes', 'prober', 'failed', 'whole', 'anchor', 'taken', 'crowded',
               'unclear', 'ceiling', 'base', 'tried', 'margin', 'trip', 'late'}
local values = redis.call('HMGET', state, unpack(names))
local s = {}
for i, name in ipairs(names) do
  s[name] = values[i] and (tonumber(values[i]) or values[i]) or nil
end
local function keep()
  local fields = {}
  for _, name in ipairs(names) do
    table.insert(fields, name)
    table.insert(fields, tostring(s[name] == nil and '' or s[name]))
  end
  redis.call('HSET', state, unpack(fields))
  redis.call('PEXPIRE', state, 3600000)
end
for _, name in ipairs(names) do if s[name] == '' then s[name] = nil end end
-- How long after a window the next one is tried: calls do not all take as long to the server.
local function margin()
  return s.margin or math.max(20, math.floor(s.window / 100))
end
-- When to try the next window after one that began then, or a little later if its probe was slow.
local function next_after(begins)
  return begins + s.window + margin() + (s.late or 0)
end
local function pace()
  -- Until it is known how long a window is, it is what the server asks to wait.
  local window = s.least or 0
  if s.whole == 1 then window = 1000 * math.floor(window / 1000 + 1) end
  return {s.limit or 0, s.window or math.max(1000, window), s.stated or 0}
end
"""

JOIN: Final = (
    _BEGIN
    + """
if not s.epoch then return {0, 0, 0} end
return pace()
"""
)

# ARGV: process, wanted, known limit, known window, whether it was stated.
LEASE: Final = (
    _BEGIN
    + """
local want = tonumber(ARGV[2])
local alive = math.max(15000, 2 * (s.window or 0))
redis.call('ZADD', members, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', members, 0, now - alive)
redis.call('PEXPIRE', members, alive)
local count = redis.call('ZCARD', members)
local function answer(granted, wait, valid, probe)
  keep()
  local known = pace()
  return {granted, math.ceil(wait), math.ceil(valid), count, probe or 0, known[1], known[2],
          known[3]}
end
if not s.epoch then
  if tonumber(ARGV[3]) == 0 then return {want, 0, -1, count, 0, 0, 0, 0} end
  -- Redis has forgotten. Nobody knows what was sent in this window.
  s = {epoch = 1, phase = 'closed', limit = tonumber(ARGV[3]), window = tonumber(ARGV[4]),
       stated = tonumber(ARGV[5]), lo = now + tonumber(ARGV[4]), probes = 0}
end
if s.phase == 'open' then
  if not s.limit then return answer(want, 0, -1) end
  local over
  if s.window then over = s.begins + s.window end
  if not (over and now >= over) and s.given < s.limit then
    local share = math.ceil(s.limit / count)
    local granted = math.min(want, share, (s.base or s.limit) - s.given)
    if granted <= 0 then
      -- More than was ever taken. One call tries it: the rest of the step has to wait for it.
      if not s.tried then
        s.tried, granted = now, 1
      elseif now < s.tried + 500 then
        return answer(0, s.tried + 500 - now, 0)
      else
        granted = math.min(want, share, s.limit - s.given)
      end
    end
    s.given = s.given + granted
    -- What goes out at the end of the window may arrive after it.
    local least = math.max(s.least or 0, 1000 * (s.whole or 0))
    local valid = over and over - now or math.max(250, s.begins + least - now)
    return answer(granted, 0, math.max(10, valid - 50))
  end
  s.phase, s.epoch, s.probes, s.prober, s.failed = 'closed', s.epoch + 1, 0, nil, nil
  s.anchor = s.given >= s.limit and s.begins or nil
  s.crowded = nil
  if over then
    s.lo = next_after(s.begins)
  else
    s.lo = s.begins + (s.least or 0)
    -- Half a second from where a window of whole seconds may end, so that a refusal tells its end.
    if s.whole == 1 then
      s.lo = s.begins + 1000 * math.ceil((math.max(now, s.lo) - s.begins) / 1000 - 0.5) + 500
    end
  end
end
-- Whoever asks first probes, and has a second for it. The others wait for what it finds.
-- If it has nothing more to send, it does not even come back.
local patience = s.probes > 0 and 1000 or 300
if s.prober and s.prober ~= ARGV[1] and now < s.lo + patience then
  return answer(0, s.lo + patience - now, 0)
end
s.prober = ARGV[1]
if now < s.lo then return answer(0, s.lo - now, 0) end
s.probed, s.lo, s.probes = now, now + 250, s.probes + 1
return answer(1, 0, 1000, s.epoch)
"""
)

# ARGV: process, the wait, whether it is of whole seconds, the stated limit or 0.
REFUSED: Final = (
    _BEGIN
    + """
local wait, whole, stated = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local least = wait - 1000 * whole
local fresh = s.phase ~= 'closed'
s.whole = whole
if stated > 0 then s.limit, s.stated = stated, 1 end
if fresh then
  s.epoch, s.phase, s.probes, s.failed, s.taken = (s.epoch or 0) + 1, 'closed', 0, nil, 0
  s.anchor, s.lo = s.begins, now + 50
  -- The pace was kept to, and was too fast.
  s.crowded = s.window and 1 or nil
  if s.window then s.ceiling = 1 end
  if s.tried then
    -- It was the call that tried more, and when this window is over is known.
    s.limit, s.base, s.crowded = s.base, nil, nil
    s.lo = math.max(s.lo, next_after(s.begins))
  end
  if s.begins and not s.window then
    s.least = math.max(s.least or 0, now - s.begins + least)
  else
    s.least = math.max(s.least or 0, least)
  end
elseif s.probes > 0 then
  s.failed, s.probes, s.unclear = now, s.probes - 1, 0
  if s.anchor and not s.window then
    -- It took as long to the server as the call with which the window began.
    local seconds = s.probed - s.anchor + wait
    s.window = whole == 1 and math.max(1, math.floor(seconds / 1000)) * 1000 or seconds
    s.lo = next_after(s.anchor)
  elseif s.anchor then
    s.margin = math.min(2 * margin(), math.max(20, math.floor(s.window / 20)))
  end
elseif s.base then
  -- It was the last step that was too much.
  s.limit, s.base, s.ceiling = s.base, nil, 1
end
s.prober = nil
s.lo = math.max(s.lo, now + math.max(50, least))
keep()
if fresh then
  redis.call('PUBLISH', channel, 'closed ' .. s.epoch .. ' ' .. wait .. ' ' .. (s.stated or 0))
end
return {s.epoch, wait, s.stated or 0}
"""
)

# ARGV: process, epoch, then the ages of the calls that were taken.
REPORT: Final = (
    _BEGIN
    + """
if s.epoch ~= tonumber(ARGV[2]) or s.phase ~= 'closed' then return 0 end
for age in string.gmatch(ARGV[3], '%d+') do
  if not s.begins or now - tonumber(age) >= s.begins - 20 then s.taken = (s.taken or 0) + 1 end
end
keep()
return 1
"""
)

# ARGV: process, epoch.
PROVEN: Final = (
    _BEGIN
    + """
if s.epoch ~= tonumber(ARGV[2]) or s.phase ~= 'closed' then return 0 end
local began = s.probed or now
local is_seen = s.failed and began - s.failed < 1000
if s.anchor and not s.window and not is_seen then
  -- Perhaps not all of the last window was used, and this call was the rest of it.
  if s.whole ~= 1 or began - s.anchor >= 1000 then s.unclear = (s.unclear or 0) + 1 end
  if (s.unclear or 0) < 4 then
    s.epoch, s.prober = s.epoch + 1, nil
    keep()
    return 0
  end
  if s.stated ~= 1 then s.limit = math.ceil(1.25 * s.limit) end
end
-- Only a refusal shortly before shows when the window was over.
if s.anchor and is_seen then
  local seen = began - s.anchor
  s.window = s.whole == 1 and math.max(1, math.floor(seen / 1000 + 0.1)) * 1000 or seen
elseif s.crowded and s.stated == 1 then
  s.window = math.floor(1.25 * s.window)
end
if s.stated ~= 1 then
  if (s.taken or 0) >= 5 then
    s.limit = s.limit and math.max(math.ceil(s.limit / 2), math.min(s.taken, s.limit)) or s.taken
  elseif s.limit and s.anchor and s.window and not s.ceiling then
    -- Nobody was refused, so it may be more.
    s.base, s.limit = s.limit, math.ceil(1.03 * s.limit)
  end
end
-- The window began when this call reached the server, perhaps later than others would have. A call
-- that arrives just before a window ends may be taken as its last, and would seem to open the next.
local trip = now - began
local usual = math.min(trip, s.window and math.floor(s.window / 40) or 0)
s.late = math.min(250, math.max(usual, trip - (s.trip or trip)))
s.trip = math.min(trip, (s.trip or trip) + 1)
s.begins, s.given, s.phase, s.taken = began, math.max(1, s.probes), 'open', 0
s.unclear, s.tried = 0, nil
s.anchor, s.failed, s.prober, s.crowded = nil, nil, nil, nil
keep()
redis.call('PUBLISH', channel, 'opened ' .. s.epoch)
return 1
"""
)

# KEYS: what was given, who asks. ARGV: process, wanted, limit, its window, how soon it is used.
ALLOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local given, members = KEYS[1], KEYS[2]
local want, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local window, within = tonumber(ARGV[4]), tonumber(ARGV[5])
local alive = math.max(15000, 2 * window)
redis.call('ZADD', members, now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', members, 0, now - alive)
redis.call('PEXPIRE', members, alive)
local count = redis.call('ZCARD', members)
-- What was given counts until the last call of it is older than the window.
local sum, soonest = 0, nil
local found = redis.call('HGETALL', given)
for i = 1, #found, 2 do
  local ends = tonumber(found[i])
  if ends <= now then
    redis.call('HDEL', given, found[i])
  else
    sum = sum + tonumber(found[i + 1])
    soonest = math.min(soonest or ends, ends)
  end
end
local granted = math.min(want, math.ceil(limit / count), limit - sum)
if granted <= 0 then return {0, soonest - now, count} end
local step = math.max(1, math.floor(window / 100))
local ends = (math.floor((now + within + window) / step) + 1) * step
redis.call('HINCRBY', given, string.format('%.0f', ends), granted)
redis.call('PEXPIRE', given, within + window + 1000)
return {granted, 0, count}
"""

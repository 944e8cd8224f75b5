-- One operation on the ledger. Redis runs the script atomically.
--
-- ARGV[1] is a JSON object: op, now, max_skew_s (if clocks are compared), kept_s, next (the steps of a
-- reservation: "held dial" -> "dialled"), and what the operation needs. Amounts are whole nano-dollars below
-- 2^53, so Lua's doubles hold them exactly; sums that may grow beyond are left to INCRBY, which counts in 64
-- bits. Redis does not roll back a script that fails, so the script checks before it writes.
--
-- All keys begin with {gateway}, which puts them into one slot of a cluster:
--   {gateway}:account:KEY       what is charged or reserved; expires long after its window
--   {gateway}:reservation:ID    hash of model, keys (JSON), amount, expires_at, state
--   {gateway}:open              the reservations that are held or dialled, sorted by expiry
--   {gateway}:total             hash of settled, unknown, held
--   {gateway}:books             the random id of this ledger; a caller that knows another id is refused

local request = cjson.decode(ARGV[1])
local OPEN, TOTAL, BOOKS = '{gateway}:open', '{gateway}:total', '{gateway}:books'

local MOST = 9.2e18 -- A little below 2^63, where INCRBY refuses.

local function account_key(key) return '{gateway}:account:' .. key end
local function reservation_key(id) return '{gateway}:reservation:' .. id end
-- Lua writes a large number as 1e+15, which Redis does not read as an integer.
local function whole(number) return string.format('%.0f', number) end
local function is_open(state) return state == 'held' or state == 'dialled' end

local function add(total, amount)
  if amount ~= 0 then redis.call('HINCRBY', TOTAL, total, whole(amount)) end
end

local function has_room(sum, more) return more <= 0 or (tonumber(sum or '0') or 0) + more < MOST end

-- Applies an event to a reservation; returns {'ok', model, excess}, {'impossible', model, state},
-- {'overflow', model} or {'missing'}.
local function apply(id, event, cost)
  local key = reservation_key(id)
  local model, keys, amount, expires_at, before = unpack(
    redis.call('HMGET', key, 'model', 'keys', 'amount', 'expires_at', 'state'))
  if not before then return {'missing'} end
  local after = request.next[before .. ' ' .. event]
  if not after then return {'impossible', model, before} end
  amount = tonumber(amount)

  local function charges(state)
    if state == 'released' then return 0 end
    if state == 'settled' then return cost end
    return amount
  end
  local more = charges(after) - charges(before)
  local accounts = cjson.decode(keys)
  for _, each in ipairs(accounts) do
    if not has_room(redis.call('GET', account_key(each)), more) then return {'overflow', model} end
  end
  local sums = redis.call('HMGET', TOTAL, 'settled', 'unknown')
  local settles, is_lost = after == 'settled' and cost or 0, after == 'unknown' and amount or 0
  if not (has_room(sums[1], settles) and has_room(sums[2], is_lost)) then return {'overflow', model} end
  if more ~= 0 then
    for _, each in ipairs(accounts) do
      -- An account that expired is not created again: it would have no expiry.
      if redis.call('EXISTS', account_key(each)) == 1 then
        redis.call('INCRBY', account_key(each), whole(more))
      end
    end
  end
  if is_open(before) and not is_open(after) then
    add('held', -amount)
    redis.call('ZREM', OPEN, id)
  end
  if before == 'unknown' then add('unknown', -amount) end
  if after == 'unknown' then add('unknown', amount) end

  local excess = 0
  if after == 'settled' then
    add('settled', cost)
    excess = math.max(0, cost - amount)
  end
  if event == 'dial' or event == 'expire' then
    redis.call('HSET', key, 'state', after)
    -- An expired reservation is kept for late events; an open one has no expiry.
    if event == 'expire' then redis.call('EXPIREAT', key, whole(math.ceil(expires_at + request.kept_s))) end
  else
    redis.call('DEL', key)
  end
  return {'ok', model, excess}
end

-- Returns by how many seconds the caller's clock is ahead of this one, if that is too much; else nil.
local function skew()
  local time = redis.call('TIME')
  local ahead = request.now - (tonumber(time[1]) + tonumber(time[2]) / 1e6)
  if request.max_skew_s and math.abs(ahead) > request.max_skew_s then return ahead end
end

local function expire()
  local past = redis.call('ZRANGEBYSCORE', OPEN, '-inf', '(' .. string.format('%.6f', request.now))
  for _, id in ipairs(past) do apply(id, 'expire', 0) end
end

local function spent(accounts)
  local sums = {}
  for index, account in ipairs(accounts) do
    sums[index] = tonumber(redis.call('GET', account_key(account.key)) or '0')
  end
  return sums
end

-- Returns {'ok'}, {'exists'}, {'skewed', seconds}, or {'full', index, ...} with the indexes of the accounts
-- whose limit is exceeded.
local function reserve()
  local ahead = skew()
  if ahead then return {'skewed', whole(ahead)} end
  local key = reservation_key(request.id)
  if redis.call('EXISTS', key) == 1 then return {'exists'} end
  local answer = {'full'}
  for index, sum in ipairs(spent(request.accounts)) do
    if sum + request.amount > request.accounts[index].limit then table.insert(answer, index) end
  end
  if #answer > 1 then return answer end
  local keys = {}
  for index, account in ipairs(request.accounts) do
    keys[index] = account.key
    redis.call('INCRBY', account_key(account.key), whole(request.amount))
    redis.call('EXPIREAT', account_key(account.key), whole(account.forget_at))
  end
  redis.call('HSET', key, 'model', request.reservation_model, 'keys', cjson.encode(keys), 'amount',
    whole(request.amount), 'expires_at', string.format('%.6f', request.expires_at), 'state', 'held')
  redis.call('ZADD', OPEN, string.format('%.6f', request.expires_at), request.id)
  add('held', request.amount)
  return {'ok'}
end

if request.op == 'open' then
  local is_new = redis.call('SETNX', BOOKS, request.ledger_id)
  return {redis.call('GET', BOOKS), is_new}
end
if redis.call('GET', BOOKS) ~= request.ledger_id then return {'gone'} end
if request.op == 'apply' then return apply(request.id, request.event, request.cost) end
if not skew() then expire() end
if request.op == 'reserve' then return reserve() end
if request.op == 'spent' then return spent(request.accounts) end
local sums = redis.call('HMGET', TOTAL, 'settled', 'unknown', 'held')
return {sums[1] or '0', sums[2] or '0', sums[3] or '0'}

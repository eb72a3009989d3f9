// Atomic changes of one key, as Lua scripts. Each script uses one key only, so it also runs on a
// Redis Cluster. Times are the caller's, in milliseconds. ARGV[1] is the current time unless the
// comment says otherwise; the other arguments are listed above each script.

// Parses the field "about" of a session (metadata.ts): `expiresAt version lastSeenAt`, then the
// part that rarely changes, which starts with `endsAt`.
const IF_ALIVE = `
  local about = redis.call('HGET', KEYS[1], 'about')
  local expiresAt, version, lastSeenAt, rest = string.match(about or '', '^(%d+) (%d+) (%d+) (.*)$')
  local isAlive = expiresAt and tonumber(expiresAt) > tonumber(ARGV[1])
  local function newAbout() return table.concat({expiresAt, version, lastSeenAt, rest}, ' ') end`;

/** ARGV: milliseconds to live, fields and values. */
export const PUT = `
  redis.call('HSET', KEYS[1], unpack(ARGV, 2))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

/**
 * lastSeenAt, expiresAt, fields and values. Never creates the key, so that a slow request cannot
 * revive a session that has ended.
 */
export const UPDATE = `${IF_ALIVE}
  if not isAlive then return 0 end
  local endsAt = string.match(rest, '^%d+')
  expiresAt = tonumber(ARGV[3]) < tonumber(endsAt) and ARGV[3] or endsAt
  lastSeenAt = ARGV[2]
  redis.call('HSET', KEYS[1], 'about', newAbout(), unpack(ARGV, 4))
  redis.call('PEXPIRE', KEYS[1], math.max(1, expiresAt - ARGV[1]))
  return 1`;

/** fromVersion, the next version, facts, tokens, the organization's index key or ''. */
export const REPLACE_TOKENS = `${IF_ALIVE}
  if not isAlive or version ~= ARGV[2] then return 0 end
  version = ARGV[3]
  local times, person, _, sid, label = string.match(rest, '^(%d+ %d+ )([^ ,]*),?([^ ,]*),?([^ ,]*) (.*)$')
  rest = times .. person .. ',' .. ARGV[6] .. ',' .. sid .. ' ' .. label
  redis.call('HSET', KEYS[1], 'about', newAbout(), 'grant', ARGV[4], 'tokens', ARGV[5])
  return 1`;

/** at. */
export const RECHECK = `${IF_ALIVE}
  if not isAlive then return end
  local last = redis.call('HGET', KEYS[1], 'recheck')
  if tonumber(last or 0) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], 'recheck', ARGV[2]) end`;

/** Returns the "about" field of the session it ended. */
export const REMOVE = `${IF_ALIVE}
  redis.call('DEL', KEYS[1])
  return isAlive and about`;

/** score, member. An index lives as long as the session in it that ends last. */
export const ADD_TO_INDEX = `
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
  local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil(last - ARGV[1])))`;

/** ARGV: owner, milliseconds. Uses Redis's clock, so clock skew between instances is harmless. */
export const ACQUIRE_LEASE = `
  local owner = redis.call('GET', KEYS[1])
  if owner and owner ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1`;

/** ARGV: owner, milliseconds. Extends the lease only while this owner holds it. */
export const RENEW_LEASE = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** ARGV: owner. */
export const RELEASE_LEASE = `
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

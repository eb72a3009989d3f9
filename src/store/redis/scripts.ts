// What has to happen in one step on one key, in Lua: each script names one key, so that it also runs
// on a Redis Cluster. Times are the caller's, in milliseconds; unless said, ARGV[1] is now, and the
// other arguments are listed above each.

// The field "about" of a session, see metadata.ts: `expiresAt version lastSeenAt`, then what seldom
// changes, which starts with `endsAt`.
const IF_ALIVE = `
  local about = redis.call('HGET', KEYS[1], 'about')
  local expiresAt, version, lastSeenAt, fixed = string.match(about or '', '^(%d+) (%d+) (%d+) (.*)$')
  local isAlive = expiresAt and tonumber(expiresAt) > tonumber(ARGV[1])
  local function aboutIt() return table.concat({expiresAt, version, lastSeenAt, fixed}, ' ') end`;

/** milliseconds to live, fields and values. */
export const PUT = `
  redis.call('HSET', KEYS[1], unpack(ARGV, 2))
  redis.call('PEXPIRE', KEYS[1], ARGV[1])`;

/**
 * lastSeenAt, expiresAt, fields and values. Never creates the key: a session that has ended stays
 * ended.
 */
export const UPDATE = `${IF_ALIVE}
  if not isAlive then return 0 end
  local endsAt = string.match(fixed, '^%d+')
  expiresAt = tonumber(ARGV[3]) < tonumber(endsAt) and ARGV[3] or endsAt
  lastSeenAt = ARGV[2]
  redis.call('HSET', KEYS[1], 'about', aboutIt(), unpack(ARGV, 4))
  redis.call('PEXPIRE', KEYS[1], math.max(1, expiresAt - ARGV[1]))
  return 1`;

/** fromVersion, its successor, facts, tokens, the organization's index key or ''. */
export const REPLACE_TOKENS = `${IF_ALIVE}
  if not isAlive or version ~= ARGV[2] then return 0 end
  version = ARGV[3]
  local times, person, _, sid, label = string.match(fixed, '^(%d+ %d+ )([^ ,]*),?([^ ,]*),?([^ ,]*) (.*)$')
  fixed = times .. person .. ',' .. ARGV[6] .. ',' .. sid .. ' ' .. label
  redis.call('HSET', KEYS[1], 'about', aboutIt(), 'grant', ARGV[4], 'tokens', ARGV[5])
  return 1`;

/** Returns "about" of the session it ended. */
export const REMOVE = `${IF_ALIVE}
  redis.call('DEL', KEYS[1])
  return isAlive and about`;

/** score, member. An index lasts as long as the longest of its sessions. */
export const ADD_TO_INDEX = `
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
  local longest = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
  redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil(longest - ARGV[1])))`;

/** owner, milliseconds. By the clock of Redis, so that those of the instances do not matter. */
export const ACQUIRE_LEASE = `
  local owner = redis.call('GET', KEYS[1])
  if owner and owner ~= ARGV[1] then return 0 end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1`;

/** owner, milliseconds. Only of a lease that this owner holds. */
export const RENEW_LEASE = `
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])`;

/** owner. */
export const RELEASE_LEASE = `
  if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`;

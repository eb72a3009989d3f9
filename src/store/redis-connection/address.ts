// The Redis URL: one server, the Sentinels that know the primary, or nodes of a cluster. `new URL()`
// refuses a list of hosts with ports.

export interface RedisHost {
  host: string;
  port: number;
}

export interface RedisLogin {
  username?: string;
  password?: string;
}

export interface RedisAddress {
  kind: 'server' | 'sentinel' | 'cluster';
  tls: boolean;
  /** With `sentinel`, these are the Sentinels. */
  hosts: RedisHost[];
  /** For the servers that hold the keys. */
  login: RedisLogin;
  sentinelLogin: RedisLogin;
  /** What the Sentinels call the primary. */
  name: string;
  database: number;
}

const URL_PARTS =
  /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^/?#]*)\/?([^?#]*)(?:\?([^#]*))?/i;
const HOST = /^(\[[\da-f:.]+\]|[^\s:[\]%@]+)(?::(\d{1,5}))?$/i;
const DEFAULT_PORTS = { server: 6_379, sentinel: 26_379, cluster: 6_379 };

/**
 * Takes `redis://`, `redis+sentinel://` or `redis+cluster://`, or their TLS forms `rediss…`.
 * @throws TypeError whose message says what is wrong and what to set; it quotes no password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const parts = URL_PARTS.exec(url);
  if (!parts) throw new TypeError('is not a Redis URL; set redis:// or rediss://');
  const [, tls, topology, user = '', list = '', path = '', query = ''] = parts;
  const kind = topology === undefined ? 'server' : (topology.toLowerCase() as RedisAddress['kind']);
  const hosts = list.split(',').map((item) => hostIn(item, DEFAULT_PORTS[kind]));
  if (kind === 'server' && hosts.length > 1) {
    throw new TypeError('names several hosts; set redis+sentinel:// or redis+cluster://');
  }
  const segments = path.split('/');
  const name = kind === 'sentinel' ? decode(segments.shift() ?? '') : '';
  if (kind === 'sentinel' && name === '') {
    throw new TypeError(
      'names no primary; set the name that the Sentinels monitor, such as redis+sentinel://host:26379/mymaster',
    );
  }
  if (kind === 'cluster' && path !== '') {
    throw new TypeError('names a database, which a cluster does not have; set the hosts alone');
  }
  if (!/^\d{0,5}$/.test(segments.join('/'))) {
    throw new TypeError(
      'names a database that is not a number; set one, such as redis://host:6379/1',
    );
  }
  const [username = '', password = ''] = user.split(/:(.*)/s);
  const option = (key: string) => new RegExp(`(?:^|&)${key}=([^&]*)`).exec(query)?.[1] ?? '';
  return {
    kind,
    tls: tls !== '',
    hosts,
    login: login(username, password),
    sentinelLogin: login(option('sentinel_username'), option('sentinel_password')),
    name,
    database: Number(segments.join('')),
  };
}

function hostIn(item: string, defaultPort: number): RedisHost {
  const [, host, port = defaultPort] = HOST.exec(item) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new TypeError('has a missing or malformed host or port; set host:port');
  }
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

const login = (username: string, password: string): RedisLogin => ({
  ...(username !== '' && { username: decode(username) }),
  ...(password !== '' && { password: decode(password) }),
});

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('has a % that encodes nothing; set %25 for it');
  }
}

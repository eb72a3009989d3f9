// The way to AuthKit from a network that lets requests out through a proxy only. The proxy tunnels
// TLS (RFC 9110 §9.3.6), so it sees the host of AuthKit and nothing of the requests.
import { EnvHttpProxyAgent, fetch as undiciFetch, Pool, type Dispatcher } from 'undici';
import type { Config } from '../config/config.ts';

/** Less than the 5 seconds of each request, so that the error names the proxy. */
const TIMEOUT_MS = 3_000;

/** Why the proxy opens no tunnel. Names its host and port, never its user or password. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
}

type Proxy = NonNullable<Config['proxy']>;

/**
 * Takes the proxy and returns a dispatcher of undici that tunnels https requests through it, except
 * those to loopback and to the hosts of `noProxy`. Requests fail with ProxyError as their cause.
 */
export function createProxyAgent({ url, noProxy }: Proxy): Dispatcher {
  const { host } = new URL(url);
  return new EnvHttpProxyAgent({
    // The app requests plain http from loopback only.
    httpProxy: '',
    httpsProxy: url,
    noProxy: noProxy === '*' ? noProxy : `${noProxy},localhost,127.0.0.1,[::1]`,
    clientFactory(origin, options) {
      const limits = { headersTimeout: TIMEOUT_MS, connectTimeout: TIMEOUT_MS };
      const pool = new Pool(origin, { ...options, ...limits });
      const connect = pool.connect.bind(pool);
      return Object.assign(pool, { connect: openTunnel(host, connect) });
    },
  });
}

type Connect = (options: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData>;

/** CONNECT with an error of our own: undici repeats it without end if the proxy hangs up. */
function openTunnel(host: string, connect: Connect): Connect {
  const fail = (what: string) => new ProxyError(`HTTPS_PROXY: the proxy ${host} ${what}`);
  return async (options) => {
    const response = await connect(options).catch((cause: unknown) => {
      throw fail(reasonOf(cause));
    });
    const { statusCode, socket } = response;
    if (statusCode === 200) return response;
    socket.on('error', () => undefined).destroy();
    const refusal = statusCode === 407 ? 'does not accept the user and password' : 'refuses';
    throw fail(`${refusal} (status ${statusCode} for ${options.path})`);
  };
}

function reasonOf(cause: unknown): string {
  const { code = 'not HTTP' } = cause as { code?: string };
  if (code.includes('TIMEOUT')) return 'does not respond';
  return `cannot be used (${code})`;
}

/** Takes the proxy and returns a fetch for src/auth and src/bearer that uses it. */
export function createProxiedFetch(proxy: Proxy): typeof globalThis.fetch {
  const through: object = { dispatcher: createProxyAgent(proxy) };
  // Not the global fetch: its undici may be another version, for which this dispatcher is not made.
  const send = undiciFetch as unknown as typeof globalThis.fetch;
  return (input, init) => {
    const headers = new Headers(init?.headers);
    // As without a proxy: a firewall in front of AuthKit may refuse names that it does not know.
    if (!headers.has('user-agent')) headers.set('user-agent', 'node');
    return send(input, { ...init, ...through, headers });
  };
}

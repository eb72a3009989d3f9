// This machine: the session store, and the app as a browser meets it through the proxy.
import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createClient } from 'redis';
import type { Config } from '../config.ts';
import { ask } from './http.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const REDIS_TIMEOUT_MS = 3_000;

export function checkStore({ redisUrl, sessionDb }: Config): Promise<Finding> {
  return redisUrl === undefined ? checkFile(sessionDb) : checkRedis(redisUrl);
}

async function checkRedis(url: string): Promise<Finding> {
  const { host } = new URL(url);
  const client = createClient({
    url,
    disableOfflineQueue: true,
    socket: { connectTimeout: REDIS_TIMEOUT_MS, reconnectStrategy: false },
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const startedAt = performance.now();
    await client.ping();
    const found = `${host} answers in ${(performance.now() - startedAt).toFixed(1)} ms`;
    return ok('Redis', found);
  } catch (cause) {
    const isRefused = /WRONGPASS|NOAUTH/.test(String(cause));
    return isRefused
      ? problem(
          'Redis',
          `${host} refuses the password`,
          'REDIS_URL: set the right user and password',
        )
      : problem(
          'Redis',
          `${host} does not answer`,
          'REDIS_URL: set a reachable host, redis:// or rediss://',
        );
  } finally {
    if (client.isOpen) client.destroy();
  }
}

async function checkFile(file: string): Promise<Finding> {
  const exists = await stat(file).then(
    (found) => found.isFile(),
    () => undefined,
  );
  if (exists === false) return problem('session file', `${file} is no file`, 'SESSION_DB=<a file>');
  // Before the first start the folder may be missing too: the app makes it.
  const place = exists ? file : await nearestFolder(dirname(file));
  try {
    await access(place, constants.R_OK | constants.W_OK);
  } catch {
    return problem(
      'session file',
      `${place} is not writable`,
      'SESSION_DB=<a file this user may write>',
    );
  }
  return exists ? ok('session file', file) : ok('session file', `${file} will be made`);
}

async function nearestFolder(folder: string): Promise<string> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  return exists || dirname(folder) === folder ? folder : nearestFolder(dirname(folder));
}

/** BASE_URL, TRUST_PROXY, and a request the way a browser sends it. */
export async function checkBaseUrl(config: Config): Promise<Finding[]> {
  const { baseUrl, trustProxy } = config;
  const isHttps = baseUrl.protocol === 'https:';
  const proxy =
    isHttps && trustProxy === undefined
      ? warning(
          'proxy',
          'BASE_URL is https, so a proxy ends TLS, but it is not trusted',
          'TRUST_PROXY=1',
        )
      : ok('proxy', trustProxy === undefined ? 'none' : `TRUST_PROXY=${String(trustProxy)}`);
  const health = await ask(new URL('/healthz', baseUrl));
  if (health?.status !== 200) {
    const found = health ? `answers HTTP ${health.status} for /healthz` : 'does not answer';
    return [proxy, warning('app', `${baseUrl.origin} ${found}; is it started?`)];
  }
  return [proxy, ...(await checkSignInStart(baseUrl))];
}

/** Starts a sign-in and looks at what a browser would be told to do; the attempt just expires. */
async function checkSignInStart(baseUrl: URL): Promise<Finding[]> {
  const headers = { 'sec-fetch-mode': 'navigate', accept: 'text/html' };
  const answer = await ask(new URL('/login', baseUrl), { headers });
  const location = answer?.headers.get('location') ?? '';
  const redirectUri = URL.canParse(location)
    ? new URL(location).searchParams.get('redirect_uri')
    : undefined;
  const expected = new URL('/callback', baseUrl).href;
  if (redirectUri === undefined || redirectUri === null) {
    const found = `GET /login answers HTTP ${answer?.status ?? 'nothing'}`;
    return [warning('app', `${found}, not a redirect to AuthKit; see its log`)];
  }
  if (redirectUri !== expected) {
    return [
      problem(
        'app',
        `the running app uses ${redirectUri}`,
        `BASE_URL=${new URL(redirectUri).origin}`,
      ),
    ];
  }
  const cookies = answer?.headers.getSetCookie() ?? [];
  const attempt = cookies.find((cookie) => /^(?:__Host-)?sign-in\./.test(cookie)) ?? '';
  const isKept = baseUrl.protocol === 'https:' ? /; secure/i.test(attempt) : attempt !== '';
  return [
    isKept
      ? ok('app', `starts sign-ins with ${expected} and a cookie that browsers keep`)
      : problem(
          'app',
          'its cookie does not arrive whole',
          'the proxy must pass Set-Cookie unchanged',
        ),
  ];
}

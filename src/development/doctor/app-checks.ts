// The app as a browser meets it at BASE_URL: directly, or through its proxy.
import { isLoopbackHttp } from '../../auth/index.ts';
import type { Config } from '../../config/config.ts';
import { FROM_OTHER_HOST } from '../../demo/middleware/own-host.ts';
import { ask, locationOf, type Answer } from './http.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const NAVIGATION = { 'sec-fetch-mode': 'navigate', accept: 'text/html' };

/**
 * Takes the settings; returns what a request to BASE_URL meets: the proxy, and the start of a
 * sign-in, whose attempt just expires. Without a running app only the settings are compared.
 */
export async function checkApp(config: Config): Promise<Finding[]> {
  const { baseUrl } = config;
  const url = new URL('/healthz', baseUrl);
  const health = await ask(url);
  if (health.status !== 200) {
    return [compareSettings(config), notReached(config, health, locationOf(health, url))];
  }
  return [await checkProxy(config), await checkSignInStart(config)];
}

/** BASE_URL against TRUST_PROXY (Express: `trust proxy`; RFC 7239 §8.1 on whom to believe). */
function compareSettings({ baseUrl, trustProxy }: Config): Finding {
  const isHttps = baseUrl.protocol === 'https:';
  const isTrusted = trustProxy !== undefined && trustProxy !== false && trustProxy !== 0;
  if (isHttps && !isTrusted) {
    const found = 'BASE_URL is https, so a proxy ends TLS, but it is not trusted: one rate limit';
    return warning('proxy', `${found} for all visitors`, 'TRUST_PROXY=1');
  }
  if (!isHttps && isTrusted) {
    const found = `TRUST_PROXY is set, but BASE_URL is ${baseUrl.origin}: cookies are not Secure`;
    return warning('proxy', found, 'BASE_URL=https://<the host people see>, or no TRUST_PROXY');
  }
  return ok('proxy', isTrusted ? `TRUST_PROXY=${String(trustProxy)}` : 'none');
}

/** What the app says of the way a request has come; its error pages tell the operator. */
async function checkProxy(config: Config): Promise<Finding> {
  const url = new URL('/doctor-probe', config.baseUrl);
  const first = locationOf(await ask(url, { headers: NAVIGATION }), url);
  if (first?.origin === config.baseUrl.origin) {
    const found = 'the proxy replaces the Host header, so each page is redirected once in vain';
    const change = 'proxy: pass Host on as it is (nginx: proxy_set_header Host $http_host;)';
    return warning('proxy', found, change);
  }
  url.search = FROM_OTHER_HOST;
  const page = await ask(url, { headers: NAVIGATION });
  if (!page.text.includes('TRUST_PROXY')) return compareSettings(config);
  const found = 'requests come through a proxy that the app does not trust';
  return problem('proxy', found, 'TRUST_PROXY=1 (the number of proxies), and an https BASE_URL');
}

function notReached({ baseUrl, port }: Config, { silence, status }: Answer, target?: URL): Finding {
  const { origin } = baseUrl;
  if (target && target.origin !== origin) {
    const found = `${origin} sends on to ${target.origin}`;
    return problem('app', found, `BASE_URL=${target.origin}`);
  }
  if (silence === undefined && status < 500) {
    const found = `something else than this app answers at ${origin} (HTTP ${status} for /healthz)`;
    return problem('app', found, 'BASE_URL: set the origin that leads to this app');
  }
  const found = `not looked at, ${origin}: ${silence ?? `HTTP ${status} for /healthz`}`;
  const ownPort = Number(baseUrl.port || 80);
  return isLoopbackHttp(baseUrl) && ownPort !== port
    ? warning('app', found, `PORT=${ownPort}, or BASE_URL with port ${port}; then npm start`)
    : warning('app', found, 'start it (npm start) and run the doctor again, or correct BASE_URL');
}

async function checkSignInStart({ baseUrl, authKit }: Config): Promise<Finding> {
  const url = new URL(`/login?${FROM_OTHER_HOST}`, baseUrl);
  const answer = await ask(url, { headers: NAVIGATION });
  const target = locationOf(answer, url);
  const redirectUri = target?.searchParams.get('redirect_uri') ?? undefined;
  const expected = new URL('/callback', baseUrl).href;
  // Another redirect URI, or another own host to send a browser to: it runs with other settings.
  const running = redirectUri ?? target?.href;
  if (running !== undefined && URL.canParse(running) && running !== expected) {
    const { origin } = new URL(running);
    const found = `the running app has BASE_URL ${origin}, the doctor ${baseUrl.origin}`;
    return problem('app', found, `BASE_URL=${origin}, or restart the app`);
  }
  if (redirectUri === undefined) {
    const found = `GET /login answers HTTP ${answer.status || 'nothing'}, no redirect to AuthKit`;
    const change = 'restart the app if a setting was changed; its log and its /readyz say why';
    return warning('app', found, change);
  }
  const clientId = target?.searchParams.get('client_id');
  if (authKit && clientId !== authKit.clientId) {
    const found = `the running app has OAUTH_APP_CLIENT_ID ${clientId}, the doctor another`;
    return warning('app', found, 'restart the app, so that it reads the settings again');
  }
  const attempt = answer.headers.getSetCookie().find((cookie) => COOKIE.test(cookie)) ?? '';
  return isKept(attempt, baseUrl)
    ? ok('app', `starts sign-ins with ${expected} and a cookie that browsers keep`)
    : problem('app', 'its cookie does not arrive whole', 'proxy: pass Set-Cookie on as it is');
}

const COOKIE = /^(?:__Host-)?sign-in-[\w-]+\./;

/** RFC 6265bis §4.1.3.2: `__Host-` needs Secure, this path and no domain, or browsers drop it. */
function isKept(cookie: string, { protocol }: URL): boolean {
  if (!/; path=\/(?:;|$)/i.test(cookie)) return false;
  return protocol === 'http:' || (/; secure/i.test(cookie) && !/; domain=/i.test(cookie));
}

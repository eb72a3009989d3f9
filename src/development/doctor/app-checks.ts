// Checks the app as a browser reaches it at BASE_URL, directly or through its proxy.
import { isLoopbackHttp } from '../../auth/index.ts';
import type { Config } from '../../config/config.ts';
import { FROM_OTHER_HOST } from '../../demo/middleware/own-host.ts';
import { locationOf, type Http, type HttpResponse } from './http.ts';
import { signWebhook } from '../../events/index.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const NAVIGATION = { 'sec-fetch-mode': 'navigate', accept: 'text/html' };

/**
 * Takes the settings and how to send requests; returns the findings about requests to BASE_URL: the proxy, and the start of
 * a sign-in, which is left to expire. If the app does not run, it only compares the settings.
 */
export async function checkApp(config: Config, http: Http): Promise<Finding[]> {
  const { baseUrl } = config;
  const url = new URL('/healthz', baseUrl);
  const health = await http.send(url);
  if (health.status !== 200) {
    return [compareSettings(config), notReached(config, health, locationOf(health, url))];
  }
  const findings = [await checkProxy(config, http), await checkSignInStart(config, http)];
  return config.webhooks
    ? [...findings, await checkWebhooks(config, http, config.webhooks)]
    : findings;
}

/** Compares BASE_URL with TRUST_PROXY (Express: `trust proxy`; RFC 7239 §8.1 on trust). */
function compareSettings({ baseUrl, trustProxy }: Config): Finding {
  const isHttps = baseUrl.protocol === 'https:';
  const isTrusted = trustProxy !== undefined && trustProxy !== false && trustProxy !== 0;
  if (isHttps && !isTrusted) {
    const found =
      'BASE_URL is https, but the proxy that ends TLS is not trusted: all visitors share one rate limit';
    return warning('proxy', found, 'TRUST_PROXY=1');
  }
  if (!isHttps && isTrusted) {
    const found = `TRUST_PROXY is set, but BASE_URL is ${baseUrl.origin}: cookies are not Secure`;
    return warning('proxy', found, 'BASE_URL=https://<the public host>, or remove TRUST_PROXY');
  }
  return ok('proxy', isTrusted ? `TRUST_PROXY=${String(trustProxy)}` : 'none');
}

/** Reads from the app's error pages how its proxy forwards requests. */
async function checkProxy(config: Config, http: Http): Promise<Finding> {
  const url = new URL('/doctor-probe', config.baseUrl);
  const first = locationOf(await http.send(url, { headers: NAVIGATION }), url);
  if (first?.origin === config.baseUrl.origin) {
    const found = 'the proxy replaces the Host header, so every page is needlessly redirected once';
    const change = 'proxy: forward Host unchanged (nginx: proxy_set_header Host $http_host;)';
    return warning('proxy', found, change);
  }
  url.search = FROM_OTHER_HOST;
  const page = await http.send(url, { headers: NAVIGATION });
  if (!page.text.includes('TRUST_PROXY')) return compareSettings(config);
  const found = 'requests come through a proxy that the app does not trust';
  return problem('proxy', found, 'TRUST_PROXY=1 (the number of proxies), and an https BASE_URL');
}

function notReached(
  { baseUrl, port }: Config,
  { failure, status }: HttpResponse,
  target?: URL,
): Finding {
  const { origin } = baseUrl;
  if (target && target.origin !== origin) {
    const found = `${origin} redirects to ${target.origin}`;
    return problem('app', found, `BASE_URL=${target.origin}`);
  }
  if (failure === undefined && status < 500) {
    const found = `${origin} is not this app (HTTP ${status} for /healthz)`;
    return problem('app', found, 'BASE_URL: set the origin of this app');
  }
  const found = `not checked, ${origin}: ${failure ?? `HTTP ${status} for /healthz`}`;
  const ownPort = Number(baseUrl.port || 80);
  return isLoopbackHttp(baseUrl) && ownPort !== port
    ? warning('app', found, `PORT=${ownPort}, or BASE_URL with port ${port}; then npm start`)
    : warning('app', found, 'start it (npm start) and run the doctor again, or correct BASE_URL');
}

async function checkSignInStart({ baseUrl, authKit }: Config, http: Http): Promise<Finding> {
  const url = new URL(`/login?${FROM_OTHER_HOST}`, baseUrl);
  const response = await http.send(url, { headers: NAVIGATION });
  const target = locationOf(response, url);
  const redirectUri = target?.searchParams.get('redirect_uri') ?? undefined;
  const expected = new URL('/callback', baseUrl).href;
  // A different redirect URI, or a redirect to another host: the app runs with other settings.
  const running = redirectUri ?? target?.href;
  if (running !== undefined && URL.canParse(running) && running !== expected) {
    const { origin } = new URL(running);
    const found = `the running app has BASE_URL ${origin}, the doctor has ${baseUrl.origin}`;
    return problem('app', found, `BASE_URL=${origin}, or restart the app`);
  }
  if (redirectUri === undefined) {
    const reason = response.failure ?? `HTTP ${response.status}`;
    const found = `GET /login does not redirect to AuthKit: ${reason}`;
    const change = 'restart the app if a setting has changed; its log and /readyz show the reason';
    return warning('app', found, change);
  }
  const clientId = target?.searchParams.get('client_id');
  if (authKit && clientId !== authKit.clientId) {
    const found = `the running app has OAUTH_APP_CLIENT_ID ${clientId}, the doctor has another`;
    return warning('app', found, 'restart the app to read the settings again');
  }
  const attempt = response.headers.getSetCookie().find((cookie) => COOKIE.test(cookie)) ?? '';
  return isAccepted(attempt, baseUrl)
    ? ok('app', `starts sign-ins with ${expected} and a cookie that browsers accept`)
    : problem('app', 'its cookie does not arrive unchanged', 'proxy: forward Set-Cookie unchanged');
}

/** Sends a signed event of a type of its own, which the app accepts and ignores. */
async function checkWebhooks(
  { baseUrl }: Config,
  http: Http,
  { secrets }: { secrets: readonly string[] },
) {
  const url = new URL('/webhooks/authkit', baseUrl);
  const [secret = ''] = secrets;
  const body = JSON.stringify({ id: 'event_doctor', event: 'doctor.ping' });
  const signature = signWebhook(secret, Buffer.from(body));
  const headers = { 'content-type': 'application/json', 'workos-signature': signature };
  const { status, failure } = await http.send(url, { method: 'POST', headers, body });
  if (status === 200) return ok('webhooks', `${url.href} accepts what your secret signs`);
  const found = `${url.href} refuses a signed event: ${failure ?? `HTTP ${status}`}`;
  const change = 'restart the app if the secret has changed; its log shows the reason';
  return problem('webhooks', found, change);
}

const COOKIE = /^(?:__Host-)?sign-in-[\w-]+\./;

/** RFC 6265bis §4.1.3.2: `__Host-` requires Secure, Path=/ and no Domain, or browsers drop it. */
function isAccepted(cookie: string, { protocol }: URL): boolean {
  if (!/; path=\/(?:;|$)/i.test(cookie)) return false;
  return protocol === 'http:' || (/; secure/i.test(cookie) && !/; domain=/i.test(cookie));
}

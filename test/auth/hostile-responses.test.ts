// Hostile responses at every endpoint of AuthKit that the app calls: errors, endless, too large,
// cut, malformed, redirecting, dropped. Each row is one fault; each endpoint has its expected
// outcome. The app calls an endpoint once for one request, follows no redirect, and responds within
// the 5 seconds that one call to AuthKit may take.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser, type Page } from '../support/browser/browser.ts';
import { codeOn, whoIs } from '../support/browser/callback.ts';
import {
  BROKEN,
  ENDLESS,
  startHostileIssuer,
  TRAP,
  type HostileIssuer,
} from '../support/authkit/hostile-issuer.ts';

const DEADLINE_MS = 5_000;

interface Site {
  issuer: HostileIssuer;
  app: TestApp;
  browser: Browser;
}

type Seen = [status: number, code: string | undefined];
type Kind = 'away' | 'late' | 'unusable';

interface Endpoint {
  path: string;
  /** Makes the app call this endpoint; `breaks` puts the fault in place right before. */
  use: (site: Site, breaks: () => void) => Promise<Page>;
  /** The outcome of each kind of fault. */
  seen: Record<Kind, Seen>;
  /** Checks afterwards, with the fault still in place. */
  after?: (site: Site) => Promise<void>;
}

const BY_KIND: Record<Kind, Seen> = {
  away: [503, 'issuer_unreachable'],
  late: [504, 'issuer_timeout'],
  unusable: [502, 'response_invalid'],
};
const always = (seen: Seen): Record<Kind, Seen> => ({ away: seen, late: seen, unusable: seen });

/** Signs in up to the authorization response, and visits the callback with the fault in place. */
async function callback({ issuer, app, browser }: Site, breaks: () => void): Promise<Page> {
  issuer.vary.idToken = { name: undefined };
  const { location } = await browser.get(`${app.url}/login?return_to=/sessions`);
  const response = await browser.get(location ?? '');
  breaks();
  return browser.get(response.location ?? '');
}

async function signedIn({ app, browser }: Site): Promise<void> {
  await browser.open(`${app.url}/login?return_to=/profile`);
}

const expectNoSession = ({ browser }: Site) => {
  expect(browser.jar.find('session')).toBeUndefined();
  return Promise.resolve();
};

const ENDPOINTS: Record<string, Endpoint> = {
  discovery: {
    path: '/.well-known/openid-configuration',
    seen: { ...always([503, 'issuer_unreachable']), late: [504, 'issuer_timeout'] },
    async use({ app, browser }, breaks) {
      breaks();
      await app.restart();
      return browser.get(`${app.url}/login`);
    },
    async after({ app, browser }) {
      expect((await fetch(`${app.url}/readyz`)).status).toBe(503);
      expect((await browser.get(app.url)).status).toBe(200);
    },
  },
  'the JWKS': {
    path: '/oauth2/jwks',
    seen: { ...always([503, 'issuer_unreachable']), late: [504, 'issuer_timeout'] },
    use: callback,
    after: expectNoSession,
  },
  'the token endpoint': {
    path: '/oauth2/token',
    seen: BY_KIND,
    use: callback,
    after: expectNoSession,
  },
  UserInfo: {
    path: '/oauth2/userinfo',
    seen: always([303, undefined]),
    use: callback,
    async after({ app, browser }) {
      expect(await whoIs(browser, app)).toBe('AuthKit sent no name');
    },
  },
  'introspection for a page': {
    path: '/oauth2/introspection',
    seen: BY_KIND,
    async use(site, breaks) {
      await signedIn(site);
      breaks();
      return site.browser.get('/moderation');
    },
    async after({ app, browser }) {
      expect(await whoIs(browser, app)).toBe('Nora Test');
    },
  },
  revocation: {
    path: '/oauth2/revocation',
    seen: always([303, undefined]),
    async use(site, breaks) {
      await signedIn(site);
      breaks();
      const startedAt = performance.now();
      const page = await site.browser.post('/logout');
      // The sign-out does not wait for the revocation.
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      await vi.waitFor(() => expect(site.issuer.hits.get('/oauth2/revocation')).toBe(1));
      return page;
    },
    after: expectNoSession,
  },
  'the JWKS for the API': {
    path: '/oauth2/jwks',
    seen: always([503, 'temporarily_unavailable']),
    use: (site, breaks) => callApi(site, breaks, '/api/me'),
  },
  'introspection for the API': {
    path: '/oauth2/introspection',
    seen: always([503, 'temporarily_unavailable']),
    use: (site, breaks) => callApi(site, breaks, '/api/me/active'),
  },
};

async function callApi(
  { issuer, app, browser }: Site,
  breaks: () => void,
  path: string,
): Promise<Page> {
  const token = await issuer.sign({ aud: issuer.env['API_AUDIENCE'] });
  breaks();
  return browser.fetch(`${app.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
}

const codeOf = (page: Page) =>
  page.headers['content-type']?.includes('json')
    ? (JSON.parse(page.body) as { error: string }).error
    : codeOn(page);

async function newSite(): Promise<Site> {
  const issuer = await startHostileIssuer();
  const { url } = issuer;
  const metadata = {
    introspection_endpoint: `${url}/oauth2/introspection`,
    revocation_endpoint: `${url}/oauth2/revocation`,
  };
  issuer.vary = { metadata };
  return { issuer, app: await startTestApp({ env: issuer.env }), browser: new Browser() };
}

async function closeSite({ issuer, app }: Site): Promise<void> {
  await app.close();
  await issuer.close();
}

const KINDS: Record<string, Kind> = {
  'status 500': 'away',
  'status 503': 'away',
  'status 429': 'away',
  'a truncated response': 'away',
  'a dropped connection': 'away',
  'bytes that are no HTTP': 'away',
  'headers of 100 kB': 'away',
};

const kindOf = (fault: string): Kind => (fault in ENDLESS ? 'late' : (KINDS[fault] ?? 'unusable'));

async function expectOutcome(site: Site, endpoint: Endpoint, fault: string): Promise<void> {
  const { path, use, seen, after } = endpoint;
  const { issuer } = site;
  const listener = BROKEN[fault] ?? ENDLESS[fault];
  let startedAt = 0;
  const page = await use(site, () => {
    if (listener) issuer.faults.set(path, listener);
    issuer.hits.clear();
    startedAt = performance.now();
  });
  const ms = performance.now() - startedAt;
  expect([page.status, codeOf(page)]).toEqual(seen[kindOf(fault)]);
  if (page.status >= 503) expect(Number(page.headers['retry-after'])).toBeGreaterThan(0);
  expect(ms).toBeLessThan(DEADLINE_MS + 2_000);
  await after?.(site);
  // Discovery is tried again in the background, after pauses that double from half a second.
  const most = path.startsWith('/.well-known')
    ? 3 + Math.log2(1 + (performance.now() - startedAt) / 250)
    : 1;
  expect(issuer.hits.get(path)).toBeLessThanOrEqual(most);
  expect(issuer.hits.get(TRAP)).toBeUndefined();
}

describe.each(Object.entries(ENDPOINTS))('a fault of %s', (_name, endpoint) => {
  let site: Site;
  beforeAll(async () => {
    site = await newSite();
  });
  afterEach(() => site.issuer.faults.clear());
  afterAll(() => closeSite(site));

  const rows = Object.keys(BROKEN).map((fault): [string, string] => [
    fault,
    endpoint.seen[kindOf(fault)].join(' ').trim(),
  ]);
  it.each(rows)('makes the app respond with $1 ($0)', async (fault) => {
    site.browser = new Browser();
    // Without a restart the app would use the keys that it fetched before.
    await site.app.restart();
    await expectOutcome(site, endpoint, fault);
  });
});

it.each(Object.keys(ENDLESS))('every call to AuthKit ends at the deadline (%s)', async (fault) => {
  // All sites start before the first request: starting one would distort the timing of the others.
  const sites: [Site, Endpoint][] = [];
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const endpoint of Object.values(ENDPOINTS)) sites.push([await newSite(), endpoint]);
  await Promise.all(sites.map(([site, endpoint]) => expectOutcome(site, endpoint, fault)));
  await Promise.all(sites.map(([site]) => closeSite(site)));
});

// An attacker who copies the store, reads the log or saves the pages gets nothing to sign in with.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseCookie } from 'cookie';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSealer } from '../../../src/auth/index.ts';
import { sessionKey } from '../../../src/auth/session/cookie.ts';
import { SessionIndex } from '../../../src/auth/session/seal.ts';
import { openStore } from '../../../src/store/index.ts';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser, type Page } from '../../support/browser/browser.ts';
import { audience, json } from '../../support/authkit/issuer.ts';
import { pass } from '../../support/app/issuer-app.ts';
import { findLeaks } from '../../support/reading/leaks.ts';
import { startEngine, type TestEngine } from '../../support/store/engines.ts';
import { startSignInIssuer, type SignInIssuer } from '../../support/authkit/sign-in-issuer.ts';
import { availableEngines } from '../../support/machine/with-parts.ts';

const SECRET = 'a-secret-of-the-tests-0123456789-abcdef';
/** The values that sessions are found by; the store keeps keyed hashes of them. */
const IDS = {
  sub: 'user_01PLANTED',
  organization: 'org_01PLANTED',
  'session at the issuer': 'session_01PLANTED',
};
const USER = { name: 'Zoë “Ziggy” Plånted', email: 'zoe.planted@example.com' };

let server: TestEngine | undefined;
let issuer: SignInIssuer;
let app: TestApp;
let browser: Browser;
/** Headers and bodies of all responses, without the session's own cookies. */
let responses: string;
let cookies: string;
let secrets: Record<string, string>;

function see(page: Page): Page {
  const { 'set-cookie': lines = [], ...headers } = page.headers;
  if (page.url.origin !== app.url) return page;
  cookies += `${decodeURIComponent(lines.join('\n'))}\n`;
  responses += `${JSON.stringify(headers)}\n${page.body}\n`;
  return page;
}

async function walk(path: string): Promise<Page> {
  let page = see(await browser.get(`${app.url}${path}`));
  while (page.location) page = see(await browser.get(page.location, { from: page.initiator }));
  return page;
}

const sidOf = ({ jar }: Browser) =>
  /^s:([^.]+)/.exec(parseCookie(`c=${jar.find('session')?.value}`)['c'] ?? '')?.[1] ?? '';

/** All bytes of the store: the file and its journal, or the keys and values of the server. */
async function dump(): Promise<string> {
  if (server) return server.dump();
  const files = ['sessions.db', 'sessions.db-wal'];
  return files.map((name) => readFileSync(join(app.folder, name), 'latin1')).join('\n');
}

const metadata = () => ({ introspection_endpoint: `${issuer.url}/oauth2/introspection` });

/** Makes the issuer send new tokens from now on, and notes them as secrets. */
async function plantTokens(name: string): Promise<void> {
  const access = await issuer.sign({
    sub: IDS.sub,
    org_id: IDS.organization,
    permissions: ['posts:moderate'],
    jti: `planted-${name}-jti`,
  });
  const refresh = `planted-${name}-refresh-token`;
  Object.assign(secrets, { [`${name} access`]: access, [`${name} refresh`]: refresh });
  issuer.vary = {
    metadata: metadata(),
    idToken: {
      ...issuer.vary.idToken,
      ...USER,
      sub: IDS.sub,
      sid: IDS['session at the issuer'],
    },
    response: { access_token: access, refresh_token: refresh },
    mangle: (idToken) => {
      secrets[`${name} ID token`] = idToken;
      return idToken;
    },
    redirect: { code: 'planted-authorization-code' },
  };
}

/** A sign-in with a known code, every page of the app, a refresh, and failures that quote secrets. */
async function live(): Promise<void> {
  issuer.respondAt('/oauth2/introspection', (_req, res) => json(res, { active: true }));
  await plantTokens('first');
  const login = see(await browser.get(`${app.url}/login?return_to=/profile`));
  issuer.vary.idToken = {
    ...issuer.vary.idToken,
    nonce: login.location?.searchParams.get('nonce'),
  };
  expect(see(await browser.follow(login)).status).toBe(200);
  for (const path of ['/', '/organization', '/moderation', '/api-call', '/sessions']) {
    expect((await walk(path)).status).toBe(200);
  }
  secrets['session id'] = sidOf(browser);
  secrets['PKCE verifier'] = issuer.exchanges[0]?.get('code_verifier') ?? '';

  await fetchAt('/callback?code=planted-stray-code&state=planted-stray-state');
  await fetchAt('/callback?error=server_error&error_description=planted-stray-code&state=x');
  issuer.vary.token = (_req, res) =>
    json(res, { error: 'server_error', error_description: secrets['first refresh'] }, 500);
  await refreshed();
  await plantTokens('second');
  await refreshed();
}

async function fetchAt(path: string): Promise<void> {
  see(await new Browser().get(`${app.url}${path}`));
}

async function refreshed(): Promise<void> {
  pass(290);
  expect(see(await browser.get(`${app.url}/profile`)).status).toBe(200);
}

beforeAll(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }));
afterAll(() => void vi.useRealTimers());

describe.each(availableEngines())('with sessions in %s', (engine) => {
  beforeAll(async () => {
    server = await startEngine(engine);
    issuer = await startSignInIssuer();
    issuer.vary = { metadata: metadata() };
    const env = { ...issuer.env, API_AUDIENCE: audience, SESSION_SECRET: SECRET, ...server?.env };
    app = await startTestApp({ env });
    browser = new Browser();
    responses = '';
    cookies = '';
    secrets = {
      'session secret': SECRET,
      'client secret': issuer.env['OAUTH_APP_CLIENT_SECRET'] ?? '',
      code: 'planted-authorization-code',
      'stray code': 'planted-stray-code',
      'stray state': 'planted-stray-state',
    };
    await live();
  });
  afterAll(async () => {
    await app.close();
    await issuer.close();
    await server?.close();
  });

  it('the search finds the session key in the store and the e-mail on a page', async () => {
    const key = sessionKey(secrets['session id'] ?? '');
    expect(findLeaks({ key }, await dump())).not.toEqual([]);
    const page = await browser.get(`${app.url}/profile`);
    expect(findLeaks({ email: USER.email }, page.body)).toContain('email: plain');
    expect(Object.values(secrets).every((secret) => secret.length > 15)).toBe(true);
    expect(Object.keys(secrets)).toHaveLength(13);
  });

  it('the store holds no secret and nothing about the user in any encoding', async () => {
    expect(findLeaks({ ...secrets, ...USER, ...IDS }, await dump())).toEqual([]);
  });

  it('the store holds user, organization and AuthKit session only as keyed hashes', async () => {
    const index = new SessionIndex([SECRET]);
    const [person] = index.ofPerson({ issuer: issuer.url, sub: IDS.sub });
    const [organization] = index.of('organization', issuer.url, IDS.organization);
    const [session] = index.of('sid', issuer.url, IDS['session at the issuer']);
    const stored = await dump();
    for (const key of [person, organization, session]) expect(stored).toContain(key);
  });

  it('the log at level trace holds no secret and no name', () => {
    expect(app.log.length).toBeGreaterThanOrEqual(10);
    expect(findLeaks({ ...secrets, ...USER }, JSON.stringify(app.log))).toEqual([]);
  });

  it('no page or header holds a secret, and a cookie holds only its session id', () => {
    expect(responses).toContain(USER.email);
    expect(findLeaks(secrets, responses)).toEqual([]);
    const { 'session id': _, ...others } = secrets;
    expect(cookies).toMatch(/\bsession-[\w-]{6}=/);
    expect(findLeaks({ ...others, ...USER }, cookies)).toEqual([]);
  });

  it('a sealed record opens only for its purpose, with the secret and the cookie together', async () => {
    const file = join(app.folder, 'sessions.db');
    const { store } = await openStore({ ...server?.options, file });
    const sid = secrets['session id'] ?? '';
    const row = await store.readTokens(sessionKey(sid));
    const session = await store.read(sessionKey(sid));
    await store.close();
    const sealed = [row?.tokens, row?.facts, session?.data].map(
      (bytes) => bytes ?? Buffer.alloc(0),
    );
    const purposes = ['session tokens', 'session grant', 'session data', 'sign-in attempt'];
    for (const [index, bytes] of sealed.entries()) {
      const opens = (purpose: string, context: string, secret = SECRET) =>
        createSealer([secret], purpose).open(bytes, context) !== undefined;
      expect(purposes.map((purpose) => opens(purpose, sid))).toEqual(
        purposes.map((_, other) => other === index),
      );
      const purpose = purposes[index] ?? '';
      for (const context of ['', sessionKey(sid), 'the-id-of-another-session', `${sid}.`]) {
        expect(opens(purpose, context)).toBe(false);
      }
      expect(opens(purpose, sid, 'another-secret-of-the-tests-0123456789')).toBe(false);
    }
  });
});

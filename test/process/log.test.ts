// The app's log: one JSON line per event, with exactly the fields that docs/log-events.md lists,
// and never a secret, whatever fails.
import { Writable } from 'node:stream';
import express, { type Request } from 'express';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { errorPages } from '../../src/demo/errors.ts';
import { createLog, describeError } from '../../src/process/log.ts';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { callWith, serve } from '../support/app/bearer-app.ts';
import { Browser } from '../support/browser/browser.ts';
import {
  BROKEN,
  startHostileIssuer,
  type HostileIssuer,
} from '../support/authkit/hostile-issuer.ts';
import { json } from '../support/authkit/issuer.ts';
import { newEvent, post, send, WEBHOOK_SECRET } from '../support/app/webhooks.ts';
import { CLIENT_ID } from '../support/authkit/sign-in-issuer.ts';
import { findLeaks } from '../support/reading/leaks.ts';
import { inlineCode, readText, tableRows } from '../support/reading/markdown.ts';
import { passMonotonic } from '../support/clock/monotonic.ts';

const USER = { name: 'Planted Name', email: 'planted.user@example.com' };
const TOKENS = { access_token: 'planted-access-token', refresh_token: 'planted-refresh-token' };

let issuer: HostileIssuer;
let app: TestApp;
let browser: Browser;
const planted: Record<string, string> = {};

beforeAll(async () => {
  issuer = await startHostileIssuer();
  const metadata = {
    introspection_endpoint: `${issuer.url}/oauth2/introspection`,
    revocation_endpoint: `${issuer.url}/oauth2/revocation`,
    backchannel_logout_supported: true,
  };
  issuer.vary = { metadata, idToken: USER, response: { ...TOKENS, expires_in: 1 } };
  const secret = 'planted-client-secret';
  const secrets = { OAUTH_APP_CLIENT_SECRET: secret, WORKOS_WEBHOOK_SECRET: WEBHOOK_SECRET };
  app = await startTestApp({ env: { ...issuer.env, ...secrets } });
});
afterEach(() => {
  vi.useRealTimers();
  issuer.faults.clear();
});
afterAll(async () => {
  await app.close();
  await issuer.close();
});

let minutes = 0;
/** Ends the pause after a failure, and makes the access token due for a refresh. */
function later(): void {
  minutes += 1;
  passMonotonic(60_000 * minutes);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * 60_000 });
}

async function visitDue(): Promise<void> {
  later();
  await browser.get(`${app.url}/profile`);
}

/** Causes every log event at least once. */
async function causeEveryEvent(): Promise<void> {
  const { vary, faults } = issuer;
  browser = new Browser();
  const start = await browser.get(`${app.url}/login?return_to=/profile?planted=planted-query`);
  const callback = (await browser.get(start.location ?? '')).location ?? new URL(app.url);
  await browser.open(callback);
  planted['session'] = valueOf(browser.jar.find('session'));
  await browser.open(callback);
  await new Browser().get(`${app.url}/login?return_to=/reset/planted-9f86d081884c7d65/now`);
  vary.accessToken = { org_id: 'org_02' };
  vary.response = { refresh_token: TOKENS.refresh_token, expires_in: 1 };
  await visitDue();
  const { response } = vary;
  vary.response = { ...response, scope: ['planted-scope'] };
  await visitDue();
  vary.response = { ...response };
  await visitWhileTheStoreIsHeld();
  vary.idToken = { name: undefined };
  vary.userInfo = (_req, res) => res.writeHead(500).end('planted-body');
  await new Browser().open(`${app.url}/login`);
  vary.idToken = {};
  for (const [fault, error, status] of [
    ['/oauth2/token', 'server_error', 500],
    ['/oauth2/token', 'invalid_client', 401],
  ] as const) {
    const body = { error, error_description: 'planted-description', ...TOKENS };
    faults.set(fault, (_req, res) => json(res, body, status));
    await visitDue();
  }
  for (const broken of ['malformed JSON', 'a page', 'a truncated response', 'headers of 100 kB']) {
    const listener = BROKEN[broken];
    if (!listener) throw new Error(`no response is broken like ${broken}`);
    faults.set('/oauth2/token', listener);
    await visitDue();
    await new Browser().open(`${app.url}/login`);
  }
  faults.set('/oauth2/token', (_req, res) => json(res, { error: 'invalid_grant' }, 400));
  await visitDue();
  faults.clear();
  await signOutAndTell();
  await receiveNews();
  await refuse();
}

function valueOf(cookie: { value: string } | undefined): string {
  if (!cookie) throw new Error('no session cookie');
  return cookie.value;
}

/** Another process holds the write lock of the session file; reads must go on. */
async function visitWhileTheStoreIsHeld(): Promise<void> {
  const other = new Database(app.env['SESSION_DB'] ?? '');
  other.exec('BEGIN IMMEDIATE');
  later();
  expect((await browser.get(app.url)).status).toBe(200);
  other.exec('ROLLBACK');
  other.close();
}

async function signOutAndTell(): Promise<void> {
  issuer.faults.set('/oauth2/revocation', (_req, res) => res.writeHead(500).end('planted-body'));
  await browser.open(`${app.url}/login?return_to=/sessions`);
  await browser.post('/logout');
  await vi.waitFor(() => expect(eventsOf()).toContain('revocation_failed'));
}

async function receiveNews(): Promise<void> {
  await send(app.url, newEvent('user.updated', { id: 'user_02', email: USER.email }));
  await post(app.url, Buffer.from('planted-body'), { 'workos-signature': 'planted-signature' });
  const logout = { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } };
  const logoutToken = await issuer.sign({ aud: CLIENT_ID, jti: 'planted-jti', ...logout });
  planted['a logout token'] = logoutToken;
  for (const token of [logoutToken, 'planted.logout.token']) {
    const body = new URLSearchParams({ logout_token: token });
    await fetch(`${app.url}/backchannel-logout`, { method: 'POST', body });
  }
}

async function refuse(): Promise<void> {
  await callWith(`${app.url}/api/me`, 'planted.bearer.token');
  const good = await issuer.sign({ aud: issuer.env['API_AUDIENCE'], jti: 'planted-jti' });
  planted['a bearer token'] = good;
  await callWith(`${app.url}/api/me`, good);
  issuer.faults.set('/oauth2/introspection', (_req, res) => res.end('planted-introspection'));
  await callWith(`${app.url}/api/me/active`, good);
  const headers = {
    cookie: 'session=s%3Aplanted-cookie.x',
    'x-forwarded-for': '10.0.0.1',
    'user-agent': 'planted-agent',
    referer: 'https://evil.example/planted-referer',
  };
  await browser.get(`${app.url}/planted-path?code=planted-code&token=planted-token`, { headers });
  await browser.get(`${app.url}/callback?code=planted-code&state=planted-state`);
  await browser.post(`${app.url}/sessions/end`, { handle: 'planted-handle' });
  issuer.vary.redirect = { error_description: 'planted-description', iss: 'planted-iss' };
  await browser.open(`${app.url}/login`);
  issuer.vary.metadata = { issuer: 'https://planted.example', ...TOKENS };
  const date = new Date(Date.now() - 120_000).toUTCString();
  issuer.faults.set('/.well-known/openid-configuration', (_req, res) =>
    res.writeHead(200, { date, 'content-type': 'application/json' }).end('{"issuer":planted-json'),
  );
  await app.restart();
  await callWith(`${app.url}/api/me`, good);
  await vi.waitFor(() => expect(eventsOf()).toContain('issuer_unavailable'));
}

const eventsOf = () => app.log.map(({ event }) => event);

describe('the log', () => {
  beforeAll(causeEveryEvent);

  it('has exactly the events that docs/log-events.md lists', () => {
    // store/redis-connection/outages.test.ts covers the events of an unreachable store.
    const elsewhere = ['store_reachable', 'store_unreachable'];
    const met = new Set([...eventsOf(), ...elsewhere]);
    expect(met).toEqual(new Set(events().map(({ event }) => event)));
  });

  it('has the listed level in each line', () => {
    const listed = new Map(events().map(({ event, level }) => [event, level]));
    // That of a refused request depends on its status.
    const lines = app.log.filter(({ event }) => event !== 'request_refused');
    const levels = (named: (event: string, level: string) => string) =>
      new Set(lines.map(({ event = '', level }) => `${event}: ${named(event, level)}`));
    expect(levels((_, level) => level)).toEqual(levels((event) => listed.get(event) ?? ''));
  });

  it('has a level, a time, an event and only the listed fields in each line', () => {
    const fieldsOf = new Map(events().map(({ event, fields }) => [event, fields]));
    for (const { level, time, event, ...fields } of app.log) {
      expect(['info', 'warn', 'error']).toContain(level);
      expect(new Date(String(time)).toISOString()).toBe(time);
      const allowed = fieldsOf.get(event ?? '') ?? [];
      expect({
        event,
        more: Object.keys(fields).filter((name) => !allowed.includes(name)),
      }).toEqual({ event, more: [] });
    }
  });

  it('holds no secret in any encoding', () => {
    const text = app.log.map((line) => JSON.stringify(line)).join('\n');
    const [request] = issuer.authorizations;
    const [form] = issuer.exchanges;
    Object.assign(planted, {
      state: request?.get('state'),
      nonce: request?.get('nonce'),
      verifier: form?.get('code_verifier'),
      code: form?.get('code'),
      'client secret': form?.get('client_secret'),
      'session secret': app.env['SESSION_SECRET'],
      'webhook secret': WEBHOOK_SECRET,
      name: USER.name,
      email: USER.email,
      malformed: 'secret-in',
      ...TOKENS,
    });
    expect(Object.values(planted)).not.toContain(undefined);
    expect(findLeaks(planted, text)).toEqual([]);
    // All other external input: paths, queries, headers, forms, descriptions, bodies.
    expect([...text.matchAll(/planted[\w.-]*/g)].map(([found]) => found)).toEqual([]);
  });
});

interface Listed {
  event: string;
  fields: string[];
  level: string;
}

function events(): Listed[] {
  return tableRows(readText('docs/log-events.md')).map(([event = '', fields = '', level = '']) => ({
    event: event.replaceAll('`', ''),
    fields: inlineCode(fields),
    level: level.trim(),
  }));
}

describe('the reference of an error', () => {
  it('links the page or JSON body to one log line', async () => {
    const page = await new Browser().get(`${app.url}/nothing-here`);
    const onPage = /Reference<\/dt><dd><code>([\w-]{8})</.exec(page.body)?.[1];
    const response = await new Browser().fetch(`${app.url}/nothing-here`);
    const { reference: inJson } = JSON.parse(response.body) as { reference: string };
    expect(onPage).not.toBe(inJson);
    for (const reference of [onPage, inJson]) {
      const lines = app.log.filter((line) => line['reference'] === reference);
      expect(lines).toMatchObject([{ event: 'request_refused', code: 'not_found', status: 404 }]);
      // The code explains the error: a stack would add nothing.
      expect(lines[0]).not.toHaveProperty('err');
    }
  });
});

describe('an internal error', () => {
  const lines: string[] = [];
  const sink = new Writable({
    write: (line: Buffer, _encoding, done) => done(void lines.push(String(line))),
  });

  it.each([true, false])(
    'is logged with its stack and hidden from the user, in production: %s',
    async (production) => {
      const failing = express();
      failing.get('/', (req: Request) => {
        const cause = new Error(`token=${req.query['secret'] as string}`);
        throw Object.assign(new Error('secret=planted-message', { cause }), {
          token: 'planted-own',
        });
      });
      failing.use(errorPages(createLog('trace', sink), production));
      const running = await serve(failing);
      const response = await fetch(`${running.url}/?secret=planted-query`, {
        headers: { accept: 'application/json' },
      });
      const body = await response.text();
      expect([response.status, JSON.parse(body)]).toMatchObject([500, { error: 'internal_error' }]);
      const { reference } = JSON.parse(body) as { reference: string };
      const line = lines.at(-1) ?? '';
      expect(JSON.parse(line)).toMatchObject({
        level: 'error',
        event: 'request_refused',
        code: 'internal_error',
        reference,
        err: {
          name: 'Error',
          message: 'secret=[redacted]',
          stack: expect.stringMatching(/^ {4}at /),
        },
      });
      expect(body + line).not.toContain('planted');
      expect(line.trimEnd()).not.toContain('\n');
      await running.close();
    },
  );
});

describe('a likely secret in an error', () => {
  it.each([
    ['a JWT', 'got eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln here'],
    ['half a JWT', 'got eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0'],
    ['a client secret', `got ${'0a1b2c3d'.repeat(8)}`],
    ['a long opaque token', `got ${'Ab1-_'.repeat(10)}`],
    ['a code in a URL', 'at /callback?code=SECRET&state=SECRET'],
    ['a token in a form', 'body refresh_token=SECRET&client_secret=SECRET'],
    ['a password', 'password=SECRET'],
  ])('such as %s is redacted', (_what, message) => {
    const error = new Error('outer', { cause: new Error(message) });
    const text = JSON.stringify(describeError(error));
    expect(text).toContain('[redacted]');
    expect(text).not.toMatch(/SECRET|eyJ|0a1b2c3d|Ab1-_/);
  });

  it('is not quoted from text that fails to parse', () => {
    for (const text of ['SECRET', '{"token":SECRET}', '"SECRET']) {
      try {
        JSON.parse(text);
      } catch (cause) {
        const logged = JSON.stringify(describeError(new Error('outer', { cause })));
        expect(logged).not.toContain('SECRET');
        expect(JSON.stringify(describeError(cause))).not.toContain('SECRET');
      }
    }
  });

  it('is left out of extra properties of an error and of circular causes', () => {
    const endless = new Error('round');
    endless.cause = Object.assign(new TypeError('in', { cause: endless }), { body: 'SECRET' });
    expect(JSON.stringify(describeError(endless))).not.toContain('SECRET');
    for (const error of ['SECRET', 'a secret of a user', 'a'.repeat(41)]) {
      expect(describeError(Object.assign(new Error('in'), { error }))).not.toHaveProperty(
        'oauthError',
      );
    }
    expect(describeError('SECRET')).toEqual({ name: 'string', message: 'not an error' });
  });
});

// AuthKit's webhooks end the sessions of users who were removed there, and have the sessions of
// others ask AuthKit. The app, its store and the local AuthKit are real.
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signWebhook } from '../../src/events/index.ts';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { newEvent, post, send, WEBHOOK_SECRET } from '../support/app/webhooks.ts';
import type { Browser } from '../support/browser/browser.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp({
    env: { WORKOS_WEBHOOK_SECRET: `the-next-secret-0123456789,${WEBHOOK_SECRET}` },
  });
});
afterAll(() => app.close());
beforeEach(() => {
  app.authKit.control.reset();
  app.log.length = 0;
});

const person = (name: string) => app.authKit.people.find((entry) => entry.name.startsWith(name));
const subOf = (name: string) => person(name)?.sub ?? '';
const orgOf = (name: string, organization: string) =>
  person(name)?.organizations.find((entry) => entry.name === organization)?.id ?? '';
const isSignedIn = async (browser: Browser) =>
  (await browser.get(`${app.url}/profile`)).status === 200;
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const update = (age: number) =>
  newEvent('user.updated', { id: subOf('Bruno'), updated_at: ago(age) });
const refreshes = () => app.authKit.control.requests().token;
const resultOf = async (response: Response) => [response.status, await response.json()];

describe('user.deleted', () => {
  test('ends every session of the user, and no other', async () => {
    const [one, other, someoneElse] = [
      await signIn(app),
      await signIn(app),
      await signIn(app, { person: 'Ada' }),
    ];
    const response = await send(app.url, newEvent('user.deleted', { id: subOf('Bruno') }));
    expect(await resultOf(response)).toEqual([200, { result: 'ended' }]);
    expect([await isSignedIn(one), await isSignedIn(other)]).toEqual([false, false]);
    expect(await isSignedIn(someoneElse)).toBe(true);
    expect(app.log.find(({ event }) => event === 'webhook_received')).toMatchObject({
      type: 'user.deleted',
      sub: subOf('Bruno'),
      result: 'ended',
      sessions: 2,
    });
  });
});

describe('organization_membership.deleted', () => {
  test('ends the sessions in that organization, and the user’s others go on', async () => {
    const there = await signIn(app, { person: 'Chiara', organization: 'Blue Kiln Studio' });
    const elsewhere = await signIn(app, { person: 'Chiara', organization: 'Meridian Labs' });
    app.authKit.control.reset();
    const membership = {
      user_id: subOf('Chiara'),
      organization_id: orgOf('Chiara', 'Blue Kiln Studio'),
    };
    const event = newEvent('organization_membership.deleted', { id: 'om_1', ...membership });
    expect(await resultOf(await send(app.url, event))).toEqual([200, { result: 'ended' }]);
    expect([await isSignedIn(there), await isSignedIn(elsewhere)]).toEqual([false, true]);
    expect(refreshes()).toBe(0);
  });

  test('does not end a session that began after the event, which asks AuthKit', async () => {
    const before = ago(30_000);
    const browser = await signIn(app);
    app.authKit.control.reset();
    const membership = {
      user_id: subOf('Bruno'),
      organization_id: orgOf('Bruno', 'Harbour Books'),
    };
    const data = { id: 'om_2', ...membership };
    await send(app.url, newEvent('organization_membership.deleted', data, { created_at: before }));
    expect(await isSignedIn(browser)).toBe(true);
    expect(refreshes()).toBe(1);
  });
});

describe.each([
  ['user.updated', (sub: string) => ({ id: sub })],
  [
    'organization_membership.updated',
    (sub: string) => ({ id: 'om_3', user_id: sub, organization_id: 'org_1' }),
  ],
  ['session.revoked', (sub: string) => ({ id: 'session_1', user_id: sub })],
])('%s', (type, dataFor) => {
  test('has the user’s sessions ask AuthKit once, at their next request', async () => {
    const browser = await signIn(app);
    app.authKit.control.reset();
    const response = await send(app.url, newEvent(type, dataFor(subOf('Bruno'))));
    expect(await resultOf(response)).toEqual([200, { result: 'rechecked' }]);
    expect(refreshes()).toBe(0);
    expect([await isSignedIn(browser), await isSignedIn(browser)]).toEqual([true, true]);
    expect(refreshes()).toBe(1);
  });

  test('ends the sessions whose grant AuthKit has ended', async () => {
    const browser = await signIn(app);
    app.authKit.control.endGrant({ sub: subOf('Bruno') });
    await send(app.url, newEvent(type, dataFor(subOf('Bruno'))));
    expect(await isSignedIn(browser)).toBe(false);
  });
});

describe('an event', () => {
  test('that comes twice is acted on once', async () => {
    const event = newEvent('user.updated', { id: subOf('Bruno') });
    await send(app.url, event);
    const browser = await signIn(app);
    app.authKit.control.reset();
    expect(await resultOf(await send(app.url, event))).toEqual([200, { result: 'repeated' }]);
    expect(await isSignedIn(browser)).toBe(true);
    expect(refreshes()).toBe(0);
  });

  test.each([
    ['older than the tokens of a session has it ask nobody', 600_000, 0],
    ['hardly older than them has it ask AuthKit, whose clock may be behind', 30_000, 1],
    ['from the future has it ask AuthKit once', -3_600_000, 1],
  ])('that is %s', async (_, age, asked) => {
    const browser = await signIn(app);
    app.authKit.control.reset();
    await send(app.url, update(age));
    expect([await isSignedIn(browser), await isSignedIn(browser)]).toEqual([true, true]);
    expect(refreshes()).toBe(asked);
  });

  test('that comes after a newer one has nobody ask AuthKit again', async () => {
    const browser = await signIn(app);
    await send(app.url, update(0));
    await send(app.url, update(120_000));
    app.authKit.control.reset();
    expect([await isSignedIn(browser), await isSignedIn(browser)]).toEqual([true, true]);
    expect(refreshes()).toBe(1);
  });

  test.each([
    'user.created',
    'dsync.user.deleted',
    'connection.activated',
    '__proto__',
    'toString',
  ])('of another type, such as %s, is ignored with 200', async (type) => {
    const response = await send(app.url, newEvent(type, { id: subOf('Bruno') }));
    expect(await resultOf(response)).toEqual([200, { result: 'ignored' }]);
  });

  test.each([
    ['without data', 'user.deleted', undefined],
    ['with data that is a list', 'user.deleted', []],
    ['without the id of the user', 'user.deleted', {}],
    ['with an id that is a number', 'user.deleted', { id: 7 }],
    ['with an empty id', 'session.revoked', { user_id: '' }],
    ['without an organization', 'organization_membership.deleted', { user_id: 'user_1' }],
    ['with a line break in an id', 'user.deleted', { id: 'user_1\nx' }],
  ])('%s is refused with 400, and ends nothing', async (_, type, data) => {
    const browser = await signIn(app);
    const response = await send(app.url, newEvent(type, data as object));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'event_malformed' });
    expect(await isSignedIn(browser)).toBe(true);
  });
});

const deletion = () =>
  Buffer.from(JSON.stringify(newEvent('user.deleted', { id: subOf('Bruno') })));
const hmac = (secret: string, time: number, bytes: Uint8Array) =>
  createHmac('sha256', secret).update(`${time}.`).update(bytes).digest('hex');
const signature = (bytes: Uint8Array, secret = WEBHOOK_SECRET, now = Date.now()) =>
  `t=${now}, v1=${hmac(secret, now, bytes)}`;

describe('a webhook is refused', () => {
  test.each<[name: string, header: (bytes: Uint8Array) => string | undefined, code: string]>([
    ['without a signature', () => undefined, 'signature_missing'],
    ['with an empty signature', () => '', 'signature_missing'],
    ['with a signature of another form', () => 'sha256=abc', 'signature_missing'],
    ['with a time alone', () => `t=${Date.now()}`, 'signature_missing'],
    [
      'with a time that is no number',
      (b) => signature(b).replace('t=', 't=x'),
      'signature_missing',
    ],
    ['with two times', (b) => `t=1, ${signature(b)}`, 'signature_missing'],
    ['with a shortened signature', (b) => signature(b).slice(0, -1), 'signature_missing'],
    [
      'signed with another secret',
      (b) => signature(b, 'another-secret-0123456789'),
      'signature_invalid',
    ],
    ['with the signature of another body', () => signature(Buffer.from('{}')), 'signature_invalid'],
    [
      'with another time than was signed',
      (b) => signature(b).replace(/t=\d/, 't=2'),
      'signature_invalid',
    ],
    [
      'signed over three minutes ago',
      (b) => signature(b, WEBHOOK_SECRET, Date.now() - 181_000),
      'signature_outdated',
    ],
    [
      'signed for over three minutes from now',
      (b) => signature(b, WEBHOOK_SECRET, Date.now() + 185_000),
      'signature_outdated',
    ],
  ])('%s', async (_, header, code) => {
    const browser = await signIn(app);
    const bytes = deletion();
    const given = header(bytes);
    const response = await post(
      app.url,
      bytes,
      given === undefined ? {} : { 'workos-signature': given },
    );
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: code });
    expect(await isSignedIn(browser)).toBe(true);
    expect(app.log.find(({ event }) => event === 'webhook_refused')).toMatchObject({ code });
  });

  test.each<[name: string, content: string, status: number, code: string]>([
    ['that is not JSON', '{"id":', 400, 'body_not_json'],
    ['that is not an object', '[]', 400, 'body_not_json'],
    ['that is empty', '', 400, 'body_not_json'],
    ['of over 256 kB', JSON.stringify('x'.repeat(256 * 1024)), 413, 'body_too_large'],
  ])('with a body %s', async (_, content, status, code) => {
    const bytes = Buffer.from(content);
    const response = await post(app.url, bytes, { 'workos-signature': signature(bytes) });
    expect([response.status, ((await response.json()) as { error: string }).error]).toEqual([
      status,
      code,
    ]);
  });

  test('when compressed, before anything is unpacked', async () => {
    const bytes = deletion();
    const headers = { 'workos-signature': signature(bytes), 'content-encoding': 'gzip' };
    expect((await post(app.url, bytes, headers)).status).toBe(400);
  });

  test('when the body is cut', async () => {
    const { port } = new URL(app.url);
    const socket = connect(Number(port), 'localhost');
    const head = ['POST /webhooks/authkit HTTP/1.1', 'Host: localhost', 'Content-Length: 100'];
    socket.write(`${head.join('\r\n')}\r\n\r\n{"id":`, () => socket.destroy());
    await expect
      .poll(() => app.log.find(({ event }) => event === 'webhook_refused'), { timeout: 20_000 })
      .toMatchObject({ code: 'body_incomplete' });
  });
});

test('during a rotation, a webhook may be signed with either secret', async () => {
  const bytes = Buffer.from(JSON.stringify(newEvent('user.created', {})));
  const headers = { 'workos-signature': signWebhook('the-next-secret-0123456789', bytes) };
  expect((await post(app.url, bytes, headers)).status).toBe(200);
  expect((await send(app.url, newEvent('user.created', {}))).status).toBe(200);
});

test('without a secret there is no such endpoint', async () => {
  const without = await startTestApp();
  try {
    const event = newEvent('user.deleted', { id: subOf('Bruno') });
    expect((await send(without.url, event)).status).toBe(404);
  } finally {
    await without.close();
  }
});

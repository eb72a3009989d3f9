// Whose session it is: requests of several people at once, cookies that only look right, and
// sessions that end while a page of theirs runs.
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { sign } from 'cookie-signature';
import express, { type Request } from 'express';
import Database from 'libsql';
import { afterEach, expect, it } from 'vitest';
import { createAuth, type SessionRecords, type SignInEvent } from '../../src/auth/index.ts';
import { SessionCookie, sessionKey } from '../../src/auth/session/cookie.ts';
import { NEW_SIGN_IN, SealedSessionStore } from '../../src/auth/session/sealed-store.ts';
import { openStore } from '../../src/store/index.ts';
import { readTogether } from '../../src/store/embedded/read-batch.ts';
import { HOUR, temporaryFiles } from '../support/store/stores.ts';

const [OLD, NEW] = [
  'the-old-secret-of-the-tests-0123456789',
  'the-new-secret-of-the-tests-0123456789',
];
const DAY = 24 * HOUR;
const ISSUER = 'https://issuer.example';
const PEOPLE = ['ada', 'bruno', 'chioma', 'dmitri', 'emi'];
const events = new EventEmitter();
const newFile = temporaryFiles();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A host whose first secret is new, and whose sessions were begun under the old one. */
async function start(change: (records: SessionRecords) => Partial<SessionRecords> = () => ({})) {
  const { store: records } = await openStore({ file: newFile() });
  const told: SignInEvent[] = [];
  const before = new SealedSessionStore(records, new SessionCookie('', [OLD], false), [OLD], {
    idleMs: DAY,
    maxMs: 7 * DAY,
  });
  const auth = createAuth({
    issuer: new URL(ISSUER),
    clientId: 'a client',
    baseUrl: new URL('http://localhost:3000'),
    sessionSecrets: [NEW, OLD],
    records: { ...records, ...change(records) },
    onEvent: (event) => told.push(event),
  });
  const host = express().use(auth.session, auth.hostSession);
  host.get('/:kind', async (req, res) => {
    await delay(Math.random() * 5);
    res.json(await PAGES[req.params.kind]?.(req));
  });
  const server = createServer(host).listen(0, 'localhost');
  await once(server, 'listening');
  closers.push(
    () => auth.close(),
    () => server.close(),
    () => records.close(),
  );
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    told,
    endSessionsOf: async (name: string) => {
      const found = before.index.ofPerson({ issuer: ISSUER, sub: name });
      const keys = await Promise.all(found.map((person) => records.keysBy('person', person)));
      return Promise.all(keys.flat().map((key) => records.remove(key)));
    },
    signIn: (name: string, unusedMs = 0) => signInTo(before, records, name, unusedMs),
    ask: async (kind: string, cookie: string) => {
      const answer = await fetch(`${url}/${kind}`, { headers: { cookie } });
      const body: unknown = await answer.json();
      return { body, cookies: answer.headers.getSetCookie() };
    },
  };
}

/** The cookie of a session of `name` that was not used for `unusedMs`. */
async function signInTo(
  store: SealedSessionStore,
  records: SessionRecords,
  name: string,
  unusedMs: number,
) {
  const [sid, at] = [`the id of ${name}'s session`, Date.now() - unusedMs];
  const [expires, endsAt] = [new Date(Date.now() + HOUR), Date.now() + DAY];
  const user = { issuer: ISSUER, sub: name };
  const signedIn = { user, clientId: 'a client', claims: {}, startedAt: at, endsAt };
  const facts = { scope: [], obtainedAt: at, expiresAt: endsAt, renewable: false };
  const begun = { signedIn, tokens: { accessToken: 'a token' }, facts, label: 'Firefox' };
  const data = { cookie: { originalMaxAge: HOUR, expires }, signedIn, [NEW_SIGN_IN]: begun };
  await new Promise((resolve) => store.set(sid, data, resolve));
  await records.touch(sessionKey(sid), at, expires.getTime());
  return cookieOf(sid);
}

const cookieOf = (sid: string) => `session=${encodeURIComponent(`s:${sign(sid, OLD)}`)}`;
const whose = (req: Request) => [req.user?.sub, req.session.signedIn?.user.sub];
const PAGES: Record<string, (req: Request) => unknown> = {
  whose,
  id: (req) => req.session.id,
  save: (req) => {
    Object.assign(req.session, { note: Math.random() });
    return whose(req);
  },
  async reload(req) {
    await new Promise((resolve) => req.session.reload(resolve));
    return whose(req);
  },
  async saveLate(req) {
    Object.assign(req.session, { note: Math.random() });
    events.emit('running');
    await once(events, 'over');
    return whose(req);
  },
};

it('shows each of several people only themselves, however their requests interleave', async () => {
  const { signIn, ask } = await start();
  const cookies = await Promise.all(PEOPLE.map((name, i) => signIn(name, (i % 2) * 120_000)));
  const kinds = ['whose', 'save', 'reload'];
  const asked = [...Array(300).keys()].map(async (i) => {
    const { body } = await ask(kinds[i % 3] ?? '', cookies[i % PEOPLE.length] ?? '');
    expect(body).toEqual([PEOPLE[i % PEOPLE.length], PEOPLE[i % PEOPLE.length]]);
  });
  await Promise.all(asked);
});

it('goes on under the first secret with a session whose cookie the second one signed', async () => {
  const { signIn, ask } = await start();
  const cookie = await signIn('ada', 120_000);
  const [renewed = ''] = (await ask('whose', cookie)).cookies;
  expect(renewed).not.toContain(cookie.slice(-20));
  expect((await ask('whose', renewed.split(';')[0] ?? '')).body).toEqual(['ada', 'ada']);
});

it('gives nobody the id of a planted cookie, however well signed', async () => {
  const { ask } = await start();
  const { body, cookies } = await ask('id', cookieOf('planted'));
  expect(body).not.toBe('planted');
  expect(cookies).toEqual([]);
});

it('does not bring back a session that ended while its page ran', async () => {
  const { signIn, ask, endSessionsOf } = await start();
  const cookie = await signIn('ada', 120_000);
  const late = ask('saveLate', cookie);
  await once(events, 'running');
  expect(await endSessionsOf('ada')).toEqual([true]);
  events.emit('over');
  expect((await late).body).toEqual(['ada', 'ada']);
  expect((await ask('whose', cookie)).body).toEqual([null, null]);
});

it('signs nobody out when the store refuses to note the use, and says so', async () => {
  const { signIn, ask, told } = await start(() => ({
    touch: () => Promise.reject(new Error('the disk is full')),
  }));
  const cookie = await signIn('ada', 120_000);
  expect(await ask('whose', cookie)).toEqual({ body: ['ada', 'ada'], cookies: [] });
  expect(told).toContainEqual({ event: 'session_touch_failed', sub: 'ada' });
});

it('signs nobody in where noting the use finds that the session has ended', async () => {
  const { signIn, ask } = await start((records) => ({
    touch: async (key) => !(await records.remove(key)),
  }));
  expect((await ask('whose', await signIn('ada', 120_000))).body).toEqual([null, null]);
});

it('leaves no transaction open behind a read that fails half-way', async () => {
  const db = new Database(':memory:');
  closers.push(() => db.close());
  const read = readTogether(db, (value: number) => {
    if (value === 3) throw new Error('damaged');
    return value;
  });
  const all = await Promise.allSettled([1, 2, 3, 4, 5].map(read));
  expect(all.map(({ status }) => status === 'fulfilled')).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(db.inTransaction).toBe(false);
});

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
import type { SessionSettings } from '../src/auth/session-settings.ts';
import { SealedSessionStore } from '../src/auth/session-store.ts';
import { createSession } from '../src/auth/session.ts';
import { openStore } from '../src/store/index.ts';
import { readTogether } from '../src/store/embedded/read-batch.ts';
import { HOUR, temporaryFiles } from './support/stores.ts';

const [OLD, NEW] = [
  'the-old-secret-of-the-tests-0123456789',
  'the-new-secret-of-the-tests-0123456789',
];
const ISSUER = 'https://issuer.example';
const PEOPLE = ['ada', 'bruno', 'chioma', 'dmitri', 'emi'];
const events = new EventEmitter();
const newFile = temporaryFiles();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const settingsWith = (secrets: string[]): SessionSettings => ({
  issuer: new URL(ISSUER),
  clientId: 'a client',
  secrets,
  idleSeconds: 86_400,
  secure: false,
});

/** A host whose first secret is new, and whose sessions were begun under the old one. */
async function start() {
  const { store: records } = await openStore({ file: newFile() });
  const before = new SealedSessionStore(records, settingsWith([OLD]));
  const settings = settingsWith([NEW, OLD]);
  const store = new SealedSessionStore(records, settings);
  const host = express().use(createSession(settings, store).middleware);
  host.get('/:kind', async (req, res) => {
    await delay(Math.random() * 5);
    res.json(await PAGES[req.params.kind]?.(req));
  });
  const server = createServer(host).listen(0, 'localhost');
  await once(server, 'listening');
  closers.push(
    () => server.close(),
    () => records.close(),
  );
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    records,
    signIn: (name: string, unusedMs = 0) => signInTo(before, name, unusedMs),
    ask: async (kind: string, cookie: string) => {
      const answer = await fetch(`${url}/${kind}`, { headers: { cookie } });
      const body: unknown = await answer.json();
      return { body, cookies: answer.headers.getSetCookie() };
    },
  };
}

/** The cookie of a session of `name` that was not used for `unusedMs`. */
async function signInTo(store: SealedSessionStore, name: string, unusedMs: number) {
  const [sid, at] = [`the id of ${name}'s session`, Date.now() - unusedMs];
  const [expires, endsAt] = [new Date(Date.now() + HOUR), Date.now() + 24 * HOUR];
  const user = { issuer: ISSUER, sub: name };
  const times = { startedAt: at, lastSeenAt: at, endsAt };
  const signedIn = { user, clientId: 'a client', claims: {}, ...times };
  const data = { cookie: { originalMaxAge: HOUR, expires }, signedIn };
  const grant = { scope: [], obtainedAt: at, expiresAt: endsAt, renewable: false };
  const tokens = { accessToken: 'a token' };
  store.begin(data, { userKey: name, browser: 'Firefox', grant, tokens, endsAt });
  await new Promise((resolve) => store.set(sid, data, resolve));
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
  expect(cookies).toEqual([expect.stringMatching(/^session=;/)]);
});

it('does not bring back a session that ended while its page ran', async () => {
  const { signIn, ask, records } = await start();
  const cookie = await signIn('ada', 120_000);
  const late = ask('saveLate', cookie);
  await once(events, 'running');
  expect(await records.removeAll('ada')).toBe(1);
  events.emit('over');
  expect((await late).body).toEqual(['ada', 'ada']);
  expect((await ask('whose', cookie)).body).toEqual([null, null]);
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

// A host app whose sessions lie in the store already: no sign-in is needed, so a test may begin
// many at once, with any age, under an older secret.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sign } from 'cookie-signature';
import express, { type Express } from 'express';
import {
  createAuth,
  type Auth,
  type SessionRecords,
  type SignInEvent,
} from '../../../src/auth/index.ts';
import { SessionCookie, sessionKey } from '../../../src/auth/session/cookie.ts';
import { NEW_SIGN_IN, SealedSessionStore } from '../../../src/auth/session/sealed-store.ts';
import { openStore } from '../../../src/store/index.ts';
import { HOUR } from '../store/stores.ts';

const [OLD, NEW] = [
  'the-old-secret-of-the-tests-0123456789',
  'the-new-secret-of-the-tests-0123456789',
];
const DAY = 24 * HOUR;
const ISSUER = 'https://issuer.example';

export interface SeededHost {
  auth: Auth;
  /** The events it has told so far. */
  told: SignInEvent[];
  /** Saves a session of this user, unused for `unusedMs`; returns its cookie. */
  seed(name: string, unusedMs?: number): Promise<string>;
  /** Removes the sessions of this user; returns, for each, whether it was there. */
  endSessionsOf(name: string): Promise<boolean[]>;
  /** Requests a page with this cookie. */
  ask(path: string, cookie: string): Promise<{ body: unknown; cookies: string[] }>;
  close(): Promise<void>;
}

interface SeededHostOptions {
  /** A store file that does not exist yet. */
  file: string;
  addPages: (app: Express) => unknown;
  /** Methods of the store to replace. */
  change?: (records: SessionRecords) => Partial<SessionRecords>;
}

/** Starts it with a new first secret; its sessions were sealed under the second, older one. */
export async function startSeededHost(options: SeededHostOptions): Promise<SeededHost> {
  const { store: records } = await openStore({ file: options.file });
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
    records: { ...records, ...options.change?.(records) },
    onEvent: (event) => told.push(event),
  });
  const app = express().use(auth.session, auth.hostSession);
  options.addPages(app);
  const server = createServer(app).listen(0, 'localhost');
  await once(server, 'listening');
  const url = `http://localhost:${(server.address() as AddressInfo).port}`;
  return {
    auth,
    told,
    seed: (name, unusedMs = 0) => seed(before, records, name, unusedMs),
    async endSessionsOf(name) {
      const found = before.index.ofPerson({ issuer: ISSUER, sub: name });
      const keys = await Promise.all(found.map((person) => records.keysBy('person', person)));
      return Promise.all(keys.flat().map((key) => records.remove(key)));
    },
    async ask(path, cookie) {
      const response = await fetch(url + path, { headers: { cookie } });
      const body: unknown = await response.json();
      return { body, cookies: response.headers.getSetCookie() };
    },
    async close() {
      await auth.close();
      server.close();
      await records.close();
    },
  };
}

async function seed(
  store: SealedSessionStore,
  records: SessionRecords,
  name: string,
  unusedMs: number,
): Promise<string> {
  const [sid, at] = [`the id of ${name}'s session`, Date.now() - unusedMs];
  const [expires, endsAt] = [new Date(Date.now() + HOUR), Date.now() + DAY];
  const user = { issuer: ISSUER, sub: name };
  const signedIn = { user, clientId: 'a client', claims: {}, startedAt: at, endsAt };
  const facts = { scope: [], obtainedAt: at, expiresAt: endsAt, renewable: false };
  const begun = { signedIn, tokens: { accessToken: 'a token' }, facts, label: 'Firefox' };
  const data = { cookie: { originalMaxAge: HOUR, expires }, signedIn, [NEW_SIGN_IN]: begun };
  await new Promise((resolve) => store.set(sid, data, resolve));
  await records.touch(sessionKey(sid), at, expires.getTime());
  return cookieWith(sid);
}

/** A session cookie with this id, signed with the older secret. */
export const cookieWith = (sid: string) => `session=${encodeURIComponent(`s:${sign(sid, OLD)}`)}`;

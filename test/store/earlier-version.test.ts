// A store that version 0.1.0 wrote stays usable: the current version reads, finds, uses, refreshes
// and ends its sessions, and no user has to sign in again.
import { createCipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { sign } from 'cookie-signature';
import Database from 'libsql';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createSealer } from '../../src/auth/index.ts';
import type { SessionRecords } from '../../src/auth/session/records.ts';
import { SessionCookie, sessionKey } from '../../src/auth/session/cookie.ts';
import { SessionIndex } from '../../src/auth/session/seal.ts';
import { SealedSessionStore } from '../../src/auth/session/sealed-store.ts';
import { migrate } from '../../src/store/embedded/schema.ts';
import { openStore, type Store } from '../../src/store/index.ts';
import { startTestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { plainText } from '../support/browser/forms.ts';
import { run } from '../support/store/jobs.ts';
import { startRedis, type TestRedis } from '../support/store/redis.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../support/authkit/sign-in-issuer.ts';
import { bytes, HOUR, pass, session, temporaryFiles } from '../support/store/stores.ts';
import {
  oldUserKey,
  writeOldFile,
  writeOldKeys,
  type OldSession,
} from '../support/store/version-0-1-0.ts';
import { availableEngines } from '../support/machine/with-parts.ts';

const SECRET = 'a-secret-of-the-tests-0123456789-abcdef';
const USER = { issuer: 'https://issuer.example.com', sub: 'user_01' };
const [, ADA = ''] = new SessionIndex([SECRET]).ofPerson(USER);
const newFile = temporaryFiles();

/** Two sessions of one user, and one of a visitor. */
function oldSessions(): OldSession[] {
  const now = Date.now();
  const times = { startedAt: now - HOUR, expiresAt: now + HOUR, endsAt: now + 3 * HOUR };
  const signedIn = { userKey: oldUserKey(USER.issuer, USER.sub), ...times };
  const sealed = { data: bytes('data 1'), grant: bytes('grant 1'), tokens: bytes('tokens 1') };
  return [
    { key: 'a', ...signedIn, ...sealed, browser: 'Firefox on Linux', lastSeenAt: now - 2 },
    { key: 'b', ...signedIn, ...sealed, browser: '', lastSeenAt: now - 1 },
    { key: 'visitor', data: bytes('basket'), ...times, lastSeenAt: now },
  ];
}

const sealedStore = (records: SessionRecords) =>
  new SealedSessionStore(records, new SessionCookie('', [SECRET], false), [SECRET], {
    idleMs: 24 * HOUR,
    maxMs: 168 * HOUR,
  });

// Version 0.1.0 had no other engine.
const engines = availableEngines().filter((engine) => ['SQLite', 'Redis'].includes(engine));

describe.each(engines)('a store of version 0.1.0 in %s', (engine) => {
  let server: TestRedis | undefined;
  let file: string;
  let issuer: SignInIssuer;
  beforeAll(async () => {
    server = engine === 'Redis' ? await startRedis() : undefined;
    issuer = await startSignInIssuer();
  });
  afterAll(async () => {
    await issuer.close();
    await server?.close();
  });
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }));
  afterEach(() => void vi.useRealTimers());

  async function write(sessions: OldSession[]): Promise<void> {
    file = newFile();
    if (!server) return writeOldFile(file, sessions);
    await server.flush();
    await writeOldKeys(server.url, sessions);
  }

  const open = async () => (await openStore({ redisUrl: server?.url, file })).store;

  describe('opened by the current version', () => {
    let store: Store;
    let now: number;
    beforeEach(async () => {
      await write(oldSessions());
      now = Date.now();
      store = await open();
    });
    afterEach(() => store.close());

    test('returns its sessions unchanged', async () => {
      const row = { data: bytes('data 1'), facts: bytes('grant 1'), version: 1 };
      expect(await store.read('a')).toEqual({ ...row, lastSeenAt: now - 2, recheckAt: 0 });
      const tokens = { facts: bytes('grant 1'), tokens: bytes('tokens 1'), version: 1 };
      expect(await store.readTokens('a')).toEqual(tokens);
      const basket = {
        data: bytes('basket'),
        facts: undefined,
        version: 0,
        lastSeenAt: now,
        recheckAt: 0,
      };
      expect(await store.read('visitor')).toEqual(basket);
      expect(await store.readTokens('visitor')).toBeUndefined();
    });

    test('finds sessions by person, beside new ones under the keyed hash', async () => {
      expect(await store.sessionsOf(ADA)).toEqual([
        { key: 'b', startedAt: now - HOUR, lastSeenAt: now - 1, label: '' },
        { key: 'a', startedAt: now - HOUR, lastSeenAt: now - 2, label: 'Firefox on Linux' },
      ]);
      const [keyed, unkeyed = ''] = new SessionIndex([SECRET]).ofPerson(USER);
      await store.insert('new', session(keyed));
      expect((await store.keysBy('person', unkeyed)).toSorted()).toEqual(['a', 'b']);
      expect(await store.keysBy('person', keyed)).toEqual(['new']);
    });

    test('uses and updates sessions, and keeps their end', async () => {
      pass(HOUR / 2);
      expect(await store.touch('a', Date.now(), Date.now() + 9 * HOUR)).toBe(true);
      expect(await store.update('b', bytes('data 2'), Date.now(), Date.now() + HOUR)).toBe(true);
      expect(await store.update('visitor', bytes('tea'), Date.now(), Date.now() + HOUR)).toBe(true);
      pass(HOUR - 1);
      expect((await store.read('a'))?.data).toEqual(bytes('data 1'));
      expect((await store.read('b'))?.data).toEqual(bytes('data 2'));
      expect((await store.read('visitor'))?.data).toEqual(bytes('tea'));
      expect((await store.sessionsOf(ADA)).map(({ key }) => key)).toHaveLength(2);
      pass(HOUR * 1.5);
      expect(await store.read('b')).toBeUndefined();
      expect(await store.read('a')).toBeDefined();
      pass(1);
      expect(await store.read('a')).toBeUndefined();
    });

    test('refreshes sessions, and finds them by organization from then on', async () => {
      const next = { facts: bytes('facts 2'), tokens: bytes('tokens 2'), organization: 'org' };
      expect(await store.keysBy('organization', 'org')).toEqual([]);
      expect(await store.replaceTokens('a', 1, next)).toBe(true);
      expect(await store.replaceTokens('a', 1, next)).toBe(false);
      const { organization: _, ...tokens } = next;
      expect(await store.readTokens('a')).toEqual({ ...tokens, version: 2 });
      expect(await store.keysBy('organization', 'org')).toEqual(['a']);
      expect(await store.sessionsOf(ADA)).toContainEqual({
        key: 'a',
        startedAt: now - HOUR,
        lastSeenAt: now - 2,
        label: 'Firefox on Linux',
      });
    });

    test('removes sessions, also from the index', async () => {
      expect(await store.remove('a')).toBe(true);
      expect(await store.remove('a')).toBe(false);
      expect(await store.read('a')).toBeUndefined();
      expect(await store.keysBy('person', ADA)).toEqual(['b']);
    });

    test('grants a lease', async () => {
      expect(await store.acquireLease('l', 'two', 10_000)).toBe(true);
    });
  });

  /** A session as version 0.1.0 of the app stored it, with the data of its host app. */
  function begun(sid: string, host: object): OldSession {
    const now = Date.now();
    const user = {
      issuer: issuer.url,
      sub: 'user_01',
      name: 'Nora Old',
      email: 'nora@example.com',
    };
    const times = { startedAt: now - HOUR, lastSeenAt: now - HOUR / 2, endsAt: now + 24 * HOUR };
    const signedIn = { user, clientId: CLIENT_ID, claims: { aud: CLIENT_ID }, ...times };
    const data = { passport: { user: 'user_01' }, ...host, signedIn };
    const expiresAt = now + 240_000;
    const grant = { scope: ['openid'], obtainedAt: now - 60_000, expiresAt, renewable: true };
    const tokens = { accessToken: 'an-old-access-token', refreshToken: 'an-old-refresh-token' };
    const seal = (purpose: string, content: string | Buffer) => {
      const root = Buffer.from(hkdfSync('sha256', SECRET, '', purpose, 32));
      const key = createHmac('sha256', root).update(sid).digest();
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(content), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    };
    return {
      key: sessionKey(sid),
      userKey: oldUserKey(issuer.url, 'user_01'),
      data: seal('session data', JSON.stringify(data)),
      grant: seal('session grant', JSON.stringify(grant)),
      tokens: seal('session tokens', deflateRawSync(JSON.stringify(tokens))),
      browser: 'Firefox on Linux',
      ...times,
      expiresAt: now + 12 * HOUR,
    };
  }

  test('keeps the host’s session data, without that of Passport', async () => {
    await write([begun('an-old-session-id', { basket: ['tea'] })]);
    const records = await open();
    const store = sealedStore(records);
    const id = { sid: 'an-old-session-id', key: sessionKey('an-old-session-id') };
    const found = await store.find(id);
    expect(found?.hostData).toBe('{"basket":["tea"]}');
    expect(Object.keys(found?.signedIn ?? {}).toSorted()).toEqual(
      ['claims', 'clientId', 'endsAt', 'startedAt', 'user'].toSorted(),
    );
    expect(found?.lastSeenAt).toBe(Date.now() - HOUR / 2);
    await records.close();
  });

  test('keeps a passport member that a current host app has stored', async () => {
    await write([]);
    const records = await open();
    const sid = 'a-session-of-today';
    const content = { passport: { user: 'the host’s own' }, signedIn: { user: USER } };
    const data = createSealer([SECRET], 'session data').seal(content, sid);
    await records.insert(sessionKey(sid), session('ada', { data }));
    const store = sealedStore(records);
    const found = await store.find({ sid, key: sessionKey(sid) });
    expect(found?.hostData).toBe('{"passport":{"user":"the host’s own"}}');
    await records.close();
  });

  test('keeps its users signed in at the app: pages, list, refresh and sign-out', async () => {
    const sid = 'the-id-of-a-session-that-0.1.0-began';
    await write([begun(sid, {})]);
    const store: Record<string, string> = server ? { REDIS_URL: server.url } : {};
    const env = { ...issuer.env, ...store, SESSION_SECRET: SECRET, SESSION_DB: file };
    const app = await startTestApp({ env });
    try {
      const cookieOf = (secret: string) =>
        `session=${encodeURIComponent(`s:${sign(sid, secret)}`)}; Path=/`;
      const stranger = new Browser();
      stranger.jar.store(new URL(app.url), [cookieOf('another-secret-of-the-tests-0123456789')]);
      expect((await stranger.get(`${app.url}/profile`)).status).not.toBe(200);

      const browser = new Browser();
      browser.jar.store(new URL(app.url), [cookieOf(SECRET)]);
      const profile = await browser.get(`${app.url}/profile`);
      expect([profile.status, plainText(profile.body)]).toEqual([
        200,
        expect.stringContaining('Nora Old'),
      ]);
      const list = plainText((await browser.get(`${app.url}/sessions`)).body);
      expect(list).toContain('Firefox on Linux This browser');

      pass(290_000);
      issuer.vary = { accessToken: { org_id: 'org_01' } };
      expect((await browser.get(`${app.url}/profile`)).status).toBe(200);
      const refreshes = issuer.exchanges.map((form) => form.get('refresh_token'));
      expect(refreshes.filter((token) => token === 'an-old-refresh-token')).toHaveLength(1);
      const records = await open();
      const [organization] = new SessionIndex([SECRET]).of('organization', issuer.url, 'org_01');
      expect(await records.keysBy('organization', organization)).toEqual([sessionKey(sid)]);
      await records.close();

      await browser.get(`${app.url}/sessions`);
      expect((await browser.post('/logout')).status).toBe(303);
      expect((await browser.get(`${app.url}/profile`)).status).not.toBe(200);
    } finally {
      issuer.vary = {};
      issuer.exchanges.length = 0;
      await app.close();
    }
  });
});

describe('a session file of the previous version', () => {
  test('keeps its sessions, which nothing is known about that needs a check', async () => {
    const file = newFile();
    const { store: before } = await openStore({ file });
    await before.insert('a', session('ada'));
    await before.close();
    const db = new Database(file);
    db.exec('ALTER TABLE sessions DROP COLUMN recheck_at; PRAGMA user_version = 2');
    db.close();
    const { store } = await openStore({ file });
    expect(await store.read('a')).toMatchObject({ data: bytes('data 1'), recheckAt: 0 });
    await store.recheck('a', 5);
    expect(await store.read('a')).toMatchObject({ recheckAt: 5 });
    await store.close();
  });
});

describe('a session file of version 0.1.0', () => {
  test('is migrated once by processes that open it together', async () => {
    const file = newFile();
    writeOldFile(file, oldSessions());
    const jobs = ['a', 'b', 'c'].map((name) => run('ping', file, name));
    await Promise.all(jobs.map(({ ended }) => ended));
    expect(jobs.map(({ lines, errors }) => [...lines, errors()])).toEqual(
      jobs.map(() => ['reachable', '']),
    );
    const { store } = await openStore({ file });
    expect((await store.keysBy('person', ADA)).toSorted()).toEqual(['a', 'b']);
    await store.close();
  });

  test('is not migrated again by a process that checked before another migrated it', () => {
    const file = newFile();
    writeOldFile(file, oldSessions());
    const [db, other] = [new Database(file), new Database(file)];
    const slower = Object.create(db, {
      exec: {
        value(sql: string) {
          if (sql.startsWith('BEGIN')) migrate(other);
          db.exec(sql);
        },
      },
    }) as typeof db;
    migrate(slower);
    expect(db.prepare('SELECT count(person) FROM sessions').raw().get([])).toEqual([2]);
    db.close();
    other.close();
  });

  test('has the tables of a new file after the migration', async () => {
    const [old, fresh] = [newFile(), newFile()];
    writeOldFile(old, oldSessions());
    const tables = await Promise.all(
      [old, fresh].map(async (file) => {
        await (await openStore({ file })).store.close();
        const db = new Database(file);
        const sql = 'SELECT type, name, sql FROM sqlite_schema ORDER BY type, name';
        const [version] = db.prepare('PRAGMA user_version').raw().all([]);
        const found = [version, ...db.prepare(sql).raw().all([])];
        db.close();
        return JSON.stringify(found).replaceAll(/(?:\\n|\s)+/g, ' ');
      }),
    );
    expect(tables[0]).toBe(tables[1]);
  });

  test('stays unchanged when a foreign table is in the way', async () => {
    const file = newFile();
    writeOldFile(file, oldSessions());
    const db = new Database(file);
    db.exec('CREATE TABLE sessions_by_issuer_session (theirs)');
    await expect(openStore({ file })).rejects.toMatchObject({ code: 'store_damaged' });
    expect(db.prepare('SELECT count(user_key) FROM sessions').raw().get([])).toEqual([2]);
    expect(db.prepare('PRAGMA user_version').raw().get([])).toEqual([0]);
    db.close();
  });

  test('stays unchanged while another process locks it, and opens afterwards', async () => {
    const file = newFile();
    writeOldFile(file, oldSessions());
    const holder = new Database(file);
    holder.exec('BEGIN IMMEDIATE');
    await expect(openStore({ file })).rejects.toMatchObject({ code: 'store_unreachable' });
    holder.exec('ROLLBACK');
    expect(holder.prepare('SELECT count(user_key) FROM sessions').raw().get([])).toEqual([2]);
    const { store } = await openStore({ file });
    expect(await store.read('a')).toBeDefined();
    await store.close();
    holder.close();
  });
});

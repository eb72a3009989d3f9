// The note that a session is in use, in both engines: it writes times only, and never undoes what
// another request has changed or ended meanwhile.
import { expect, test, vi } from 'vitest';
import { SessionCookie, sessionKey } from '../../src/auth/session/cookie.ts';
import { SealedSessionStore } from '../../src/auth/session/sealed-store.ts';
import type { SessionRecords } from '../../src/auth/session/records.ts';
import { bytes, eachEngine, HOUR, pass, session } from '../support/store/stores.ts';

const SECRETS = ['a-secret-of-the-tests-0123456789-abcdef'];

const sealed = (records: SessionRecords) =>
  new SealedSessionStore(records, new SessionCookie('', SECRETS, false), SECRETS, {
    idleMs: HOUR,
    maxMs: 24 * HOUR,
  });

/** Saves this data of the host in the session, as express-session does. */
const save = (store: SealedSessionStore, sid: string, data: object) =>
  new Promise<void>((resolve, reject) => {
    const cookie = { originalMaxAge: HOUR, expires: new Date(Date.now() + HOUR) };
    store.set(sid, Object.assign(data, { cookie }), (error) => (error ? reject(error) : resolve()));
  });

const load = (store: SealedSessionStore, sid: string) =>
  new Promise<object>((resolve, reject) => {
    store.get(sid, (error, found) => (found ? resolve(found) : reject(error)));
  });

eachEngine((on) => {
  test('touch moves the last use and the expiry, and keeps data and tokens', async () => {
    await on.store.insert('a', session('ada'));
    const started = Date.now();
    pass(HOUR / 2);
    const lastSeenAt = Date.now();
    expect(await on.other.touch('a', lastSeenAt, lastSeenAt + HOUR)).toBe(true);
    pass(HOUR - 1);
    const row = {
      data: bytes('data 1'),
      facts: bytes('facts 1'),
      version: 1,
      lastSeenAt,
      recheckAt: 0,
    };
    expect(await on.store.read('a')).toEqual(row);
    expect((await on.store.readTokens('a'))?.tokens).toEqual(bytes('tokens 1'));
    const [listed] = await on.store.sessionsOf('ada');
    expect(listed).toMatchObject({ startedAt: started, lastSeenAt });
    pass(1);
    expect(await on.store.read('a')).toBeUndefined();
  });

  test('touch never moves the expiry beyond the end of the session', async () => {
    await on.store.insert('a', session('ada', { endsAt: Date.now() + 2 * HOUR }));
    expect(await on.store.touch('a', Date.now(), Date.now() + 9 * HOUR)).toBe(true);
    pass(2 * HOUR - 1);
    expect(await on.store.read('a')).toBeDefined();
    expect(await on.store.touch('a', Date.now(), Date.now() + HOUR)).toBe(true);
    pass(1);
    expect(await on.store.read('a')).toBeUndefined();
    expect(await on.store.keysBy('person', 'ada')).toEqual([]);
  });

  test('touch during an update keeps the updated data', async () => {
    await on.store.insert('a', session('ada'));
    for (let round = 0; round < 50; round += 1) {
      const now = Date.now();
      const note = () => on.other.touch('a', now, now + HOUR);
      const update = () => on.store.update('a', bytes(`data ${round}`), now, now + HOUR);
      await Promise.all(round % 2 ? [note(), update(), note()] : [update(), note(), update()]);
      expect((await on.store.read('a'))?.data).toEqual(bytes(`data ${round}`));
    }
  });

  test('touch during a refresh keeps the new tokens', async () => {
    await on.store.insert('a', session('ada'));
    for (let version = 1; version <= 50; version += 1) {
      const now = Date.now();
      const next = { facts: bytes(`f${version}`), tokens: bytes(`t${version}`) };
      const [isReplaced] = await Promise.all([
        on.store.replaceTokens('a', version, next),
        on.other.touch('a', now, now + HOUR),
        on.store.touch('a', now, now + HOUR),
      ]);
      expect(isReplaced).toBe(true);
      expect(await on.other.readTokens('a')).toEqual({ ...next, version: version + 1 });
    }
  });

  test('touch during or after sign-out does not restore the session', async () => {
    for (let round = 0; round < 50; round += 1) {
      const key = `k${round}`;
      await on.store.insert(key, session('ada'));
      const note = () => on.other.touch(key, Date.now(), Date.now() + HOUR);
      const [, isEnded] = await Promise.all([note(), on.store.remove(key), note()]);
      expect(isEnded).toBe(true);
      expect(await note()).toBe(false);
      expect(await on.store.read(key)).toBeUndefined();
    }
    expect(await on.store.sessionsOf('ada')).toEqual([]);
  });

  test('touch with a time before the expiry does not restore a session removed after it', async () => {
    await on.store.insert('a', session('ada'));
    const lateBy = 5;
    pass(HOUR + lateBy);
    expect(await on.store.remove('a')).toBe(false);
    vi.setSystemTime(Date.now() - 2 * lateBy);
    expect(await on.other.touch('a', Date.now(), Date.now() + HOUR)).toBe(false);
    expect(await on.other.read('a')).toBeUndefined();
  });

  test('touch by a request that read older data does not restore a removed member', async () => {
    const [store, other] = [sealed(on.store), sealed(on.other)];
    const id = { sid: 'the-id-of-a-session', key: sessionKey('the-id-of-a-session') };
    await save(store, id.sid, { basket: ['tea'] });
    const late = await other.find(id);
    expect(late?.hostData).toBe('{"basket":["tea"]}');
    const data = await load(store, id.sid);
    await save(store, id.sid, Object.assign(data, { basket: undefined, theme: 'dark' }));
    expect(await on.other.touch(id.key, Date.now() + 1, Date.now() + HOUR)).toBe(true);
    for (const each of [store, other])
      expect(await each.find(id)).toMatchObject({
        hostData: '{"theme":"dark"}',
        lastSeenAt: Date.now() + 1,
      });
  });
});

// The indexes of sessions, in both engines: by person, organization and session at the issuer.
import { expect, test, vi } from 'vitest';
import type { IndexKeys } from '../../src/auth/session/records.ts';
import type { Store } from '../../src/store/index.ts';
import { bytes, eachEngine, HOUR, pass, session } from '../support/store/stores.ts';

const INDEXES = ['person', 'organization', 'issuerSession'] as const;
const found = async (store: Store, index: keyof IndexKeys, key: string) =>
  (await store.keysBy(index, key)).toSorted();
const next = (organization?: string) => ({
  facts: bytes('facts 2'),
  tokens: bytes('tokens 2'),
  organization,
});

eachEngine((on) => {
  test('keysBy finds a session by person, organization and issuer session', async () => {
    const keys = { person: 'ada', organization: 'org1', issuerSession: 'sid1' };
    await on.store.insert('a', session(keys));
    await on.store.insert('b', session({ person: 'grace', organization: 'org2' }));
    await on.store.insert('c', session('ada'));
    await on.store.insert('visitor', session());
    expect(await found(on.other, 'person', 'ada')).toEqual(['a', 'c']);
    expect(await found(on.other, 'organization', 'org1')).toEqual(['a']);
    expect(await found(on.other, 'issuerSession', 'sid1')).toEqual(['a']);
    expect(await found(on.other, 'organization', 'org2')).toEqual(['b']);
    // A key works in its own index only, and a session without a key is in none.
    for (const index of INDEXES) {
      for (const key of ['', 'null', 'undefined', 'nobody'])
        expect(await found(on.other, index, key)).toEqual([]);
    }
    expect(await found(on.other, 'organization', 'ada')).toEqual([]);
    expect(await found(on.other, 'issuerSession', 'org1')).toEqual([]);
    expect(await found(on.other, 'person', 'sid1')).toEqual([]);
  });

  test('keysBy finds both sessions of an organization, and a removed one no more', async () => {
    await on.store.insert('a', session({ person: 'ada', organization: 'org' }));
    await on.other.insert('b', session({ person: 'grace', organization: 'org' }));
    expect(await found(on.store, 'organization', 'org')).toEqual(['a', 'b']);
    expect(await on.store.remove('a')).toBe(true);
    expect(await found(on.other, 'organization', 'org')).toEqual(['b']);
  });

  test('keysBy finds an ended session by none of its keys', async () => {
    const keys = { person: 'ada', organization: 'org', issuerSession: 'sid' };
    await on.store.insert('expired', session(keys));
    pass(HOUR - 1);
    await on.store.insert('removed', session(keys));
    for (const index of INDEXES)
      expect(await found(on.other, index, keys[index])).toEqual(['expired', 'removed']);
    await on.store.remove('removed');
    pass(1);
    for (const index of INDEXES) expect(await found(on.other, index, keys[index])).toEqual([]);
  });

  test('a refresh moves a session to another organization, to none, and back', async () => {
    const keys = { person: 'ada', organization: 'org1', issuerSession: 'sid' };
    await on.store.insert('a', session(keys));
    const moves = [undefined, 'org2', 'org2', undefined, 'org1'];
    for (const [round, organization] of moves.entries()) {
      expect(await on.other.replaceTokens('a', round + 1, next(organization))).toBe(true);
      for (const other of ['org1', 'org2'])
        expect(await found(on.store, 'organization', other)).toEqual(
          organization === other ? ['a'] : [],
        );
      expect(await found(on.store, 'person', 'ada')).toEqual(['a']);
      expect(await found(on.store, 'issuerSession', 'sid')).toEqual(['a']);
      const [listed] = await on.store.sessionsOf('ada');
      expect(listed?.label).toBe('Firefox on Linux');
    }
  });

  test('a late refresh does not move a session', async () => {
    await on.store.insert('a', session({ person: 'ada', organization: 'org1' }));
    expect(await on.store.replaceTokens('a', 1, next('org1'))).toBe(true);
    expect(await on.other.replaceTokens('a', 1, next('org2'))).toBe(false);
    expect(await on.other.replaceTokens('nobody', 1, next('org2'))).toBe(false);
    expect(await found(on.store, 'organization', 'org1')).toEqual(['a']);
    expect(await found(on.store, 'organization', 'org2')).toEqual([]);
  });

  test('a session that moves during a lookup is found by the next', async () => {
    await on.store.insert('a', session({ person: 'ada', organization: 'org1' }));
    for (let version = 1; version <= 200; version += 1) {
      const organization = version % 2 ? 'org2' : 'org1';
      const looking = (async () => {
        for (let tick = 0; tick < version % 7; tick += 1) await on.other.ping();
        await Promise.all([
          on.other.keysBy('organization', organization),
          on.store.keysBy('organization', organization),
        ]);
      })();
      await Promise.all([on.store.replaceTokens('a', version, next(organization)), looking]);
      expect(await found(on.store, 'organization', organization)).toEqual(['a']);
    }
  });

  test('an instance with a fast clock hides no session from the others', async () => {
    const keys = { person: 'ada', organization: 'org', issuerSession: 'sid' };
    await on.store.insert('a', session(keys));
    pass(HOUR);
    for (const index of INDEXES) expect(await found(on.other, index, keys[index])).toEqual([]);
    vi.setSystemTime(Date.now() - 1_000);
    expect(await on.store.touch('a', Date.now(), Date.now() + HOUR)).toBe(true);
    pass(HOUR / 2);
    for (const index of INDEXES) expect(await found(on.store, index, keys[index])).toEqual(['a']);
  });

  test('a sign-in during a lookup of its organization is found by the next', async () => {
    for (let round = 0; round < 50; round += 1) {
      const key = `k${round}`;
      const looking = (async () => {
        for (let tick = 0; tick < round % 7; tick += 1) await on.other.ping();
        await on.other.keysBy('organization', `org${round}`);
      })();
      const keys = { person: `p${round}`, organization: `org${round}` };
      await Promise.all([on.store.insert(key, session(keys)), looking]);
      expect(await found(on.other, 'organization', keys.organization)).toEqual([key]);
    }
  });

  test('keysBy finds more sessions of an organization than a person may have', async () => {
    const all = Array.from({ length: 1_200 }, (_, i) => `k${i}`);
    const insert = (key: string) =>
      on.store.insert(key, session({ person: key, organization: 'org' }));
    // In batches of 50, as each command must end within a second.
    for (let at = 0; at < all.length; at += 50)
      await Promise.all(all.slice(at, at + 50).map(insert));
    expect(await found(on.other, 'organization', 'org')).toEqual(all.toSorted());
  });
});

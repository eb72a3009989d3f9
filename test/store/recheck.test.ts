// After news from the issuer, a store keeps with the session since when its tokens must be checked.
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/index.ts';
import { bytes, eachEngine, HOUR, pass, session } from '../support/store/stores.ts';

const recheckAtOf = async (store: Store) => (await store.read('one'))?.recheckAt;

eachEngine((on) => {
  describe('a recheck', () => {
    test('is read with the session, and keeps the latest time', async () => {
      await on.store.insert('one', session('person'));
      expect(await recheckAtOf(on.other)).toBe(0);
      const at = Date.now();
      await on.store.recheck('one', at);
      await on.other.recheck('one', at - 5);
      expect(await recheckAtOf(on.other)).toBe(at);
    });

    test('survives use, new data and new tokens', async () => {
      await on.store.insert('one', session('person'));
      const at = Date.now();
      await on.store.recheck('one', at);
      await on.store.touch('one', at, at + HOUR);
      await on.store.update('one', bytes('data 2'), at, at + HOUR);
      await on.store.replaceTokens('one', 1, {
        facts: bytes('facts 2'),
        tokens: bytes('tokens 2'),
      });
      expect(await recheckAtOf(on.other)).toBe(at);
      expect((await on.other.read('one'))?.version).toBe(2);
    });

    test('of an ended session does not bring it back', async () => {
      await on.store.insert('one', session('person'));
      await on.store.remove('one');
      await on.store.recheck('one', Date.now());
      await on.store.insert('two', session('person'));
      pass(2 * HOUR);
      await on.store.recheck('two', Date.now());
      expect([await on.store.read('one'), await on.store.read('two')]).toEqual([
        undefined,
        undefined,
      ]);
      expect(await on.store.keysBy('person', 'person')).toEqual([]);
    });

    test('of a session that never was writes nothing', async () => {
      await on.store.recheck('none', Date.now());
      expect(await on.store.read('none')).toBeUndefined();
    });
  });
});

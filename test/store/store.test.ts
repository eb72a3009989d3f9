// The contract of src/auth/session/records.ts for a session and its tokens, in both engines.
import { expect, test } from 'vitest';
import { bytes, eachEngine, endAll, HOUR, pass, session } from '../support/store/stores.ts';

eachEngine((on) => {
  test('every instance reads a session as it was inserted', async () => {
    await on.store.insert('a', session('ada'));
    expect(await on.other.read('a')).toEqual({
      data: bytes('data 1'),
      facts: bytes('facts 1'),
      version: 1,
      lastSeenAt: Date.now(),
      recheckAt: 0,
    });
    expect(await on.other.readTokens('a')).toEqual({
      facts: bytes('facts 1'),
      tokens: bytes('tokens 1'),
      version: 1,
    });
  });

  test("a visitor's session has no facts, no tokens and version 0", async () => {
    await on.store.insert('a', session());
    expect(await on.store.read('a')).toEqual({
      data: bytes('data 1'),
      facts: undefined,
      version: 0,
      lastSeenAt: Date.now(),
      recheckAt: 0,
    });
    expect(await on.store.readTokens('a')).toBeUndefined();
    expect(await on.store.sessionsOf('')).toEqual([]);
  });

  test('an unknown key reads as undefined', async () => {
    expect(await on.store.read('a')).toBeUndefined();
    expect(await on.store.readTokens('a')).toBeUndefined();
  });

  test('values of any length and any bytes are returned unchanged', async () => {
    const data = `"'\\ é 🙂 ${'x'.repeat(100_000)}`;
    const every = Buffer.from([...Array(256).keys()]);
    await on.store.insert('a', session('ada', { data: Buffer.concat([bytes(data), every]) }));
    expect((await on.other.read('a'))?.data).toEqual(Buffer.concat([bytes(data), every]));
  });

  test('a session is unreadable from its expiry on', async () => {
    await on.store.insert('a', session('ada'));
    pass(HOUR - 1);
    expect(await on.store.read('a')).toBeDefined();
    pass(1);
    expect(await on.store.read('a')).toBeUndefined();
    expect(await on.store.readTokens('a')).toBeUndefined();
    expect(await on.store.sessionsOf('ada')).toEqual([]);
    expect(await on.store.update('a', bytes('late'), Date.now(), Date.now() + HOUR)).toBe(false);
    expect(
      await on.store.replaceTokens('a', 1, { facts: bytes('late'), tokens: bytes('late') }),
    ).toBe(false);
    expect(await on.store.touch('a', Date.now(), Date.now() + HOUR)).toBe(false);
    expect(await on.store.keysBy('person', 'ada')).toEqual([]);
    expect(await endAll(on.store, 'ada')).toBe(0);
    expect(await on.store.remove('a')).toBe(false);
    expect(await on.store.read('a')).toBeUndefined();
  });

  test('an update writes the data, moves the expiry and keeps the tokens', async () => {
    await on.store.insert('a', session('ada'));
    pass(HOUR / 2);
    const lastSeenAt = Date.now();
    expect(await on.other.update('a', bytes('data 2'), lastSeenAt, lastSeenAt + HOUR)).toBe(true);
    pass(HOUR - 1);
    expect(await on.store.read('a')).toEqual({
      data: bytes('data 2'),
      facts: bytes('facts 1'),
      version: 1,
      lastSeenAt,
      recheckAt: 0,
    });
    expect((await on.store.readTokens('a'))?.tokens).toEqual(bytes('tokens 1'));
    pass(1);
    expect(await on.store.read('a')).toBeUndefined();
  });

  test('no update moves the expiry beyond the end of the session', async () => {
    await on.store.insert('a', session('ada', { endsAt: Date.now() + 2 * HOUR }));
    await on.store.update('a', bytes('data 2'), Date.now(), Date.now() + 9 * HOUR);
    pass(2 * HOUR - 1);
    expect(await on.store.read('a')).toBeDefined();
    pass(1);
    expect(await on.store.read('a')).toBeUndefined();
  });

  test('an update after sign-out does not restore the session', async () => {
    await on.store.insert('a', session('ada'));
    await on.other.remove('a');
    expect(await on.store.update('a', bytes('data 2'), Date.now(), Date.now() + HOUR)).toBe(false);
    expect(await on.store.replaceTokens('a', 1, { facts: bytes('g'), tokens: bytes('t') })).toBe(
      false,
    );
    expect(await on.store.read('a')).toBeUndefined();
    expect(await on.store.sessionsOf('ada')).toEqual([]);
  });

  test('tokens are replaced once per version, by whichever instance is first', async () => {
    await on.store.insert('a', session('ada'));
    const tries = Array.from({ length: 20 }, (__, i) =>
      (i % 2 ? on.store : on.other).replaceTokens('a', 1, {
        facts: bytes(`g${i}`),
        tokens: bytes(`t${i}`),
      }),
    );
    const won = (await Promise.all(tries)).flatMap((isMine, i) => (isMine ? [i] : []));
    expect(won).toHaveLength(1);
    expect(await on.store.readTokens('a')).toEqual({
      facts: bytes(`g${won[0]}`),
      tokens: bytes(`t${won[0]}`),
      version: 2,
    });
    expect(
      await on.other.replaceTokens('a', 1, { facts: bytes('old'), tokens: bytes('old') }),
    ).toBe(false);
    expect(await on.other.replaceTokens('a', 2, { facts: bytes('g'), tokens: bytes('t') })).toBe(
      true,
    );
    expect((await on.store.read('a'))?.version).toBe(3);
  });

  test('a replacement of tokens keeps the data and the expiry', async () => {
    await on.store.insert('a', session('ada'));
    await on.store.update('a', bytes('data 2'), Date.now(), Date.now() + HOUR);
    await on.store.replaceTokens('a', 1, { facts: bytes('g'), tokens: bytes('t') });
    expect(await on.store.read('a')).toEqual({
      data: bytes('data 2'),
      facts: bytes('g'),
      version: 2,
      lastSeenAt: Date.now(),
      recheckAt: 0,
    });
    pass(HOUR);
    expect(await on.store.read('a')).toBeUndefined();
  });
});

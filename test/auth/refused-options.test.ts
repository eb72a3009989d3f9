// Options that would make sign-in unsafe or could never work. createAuth refuses them at the start.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuth } from '../../src/auth/index.ts';
import { createSealer } from '../../src/auth/session/seal.ts';
import { openStore, type Store } from '../../src/store/index.ts';

let folder: string;
let records: Store;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'refused-options-'));
  ({ store: records } = await openStore({ file: join(folder, 'sessions.db') }));
});
afterAll(async () => {
  await records.close();
  await rm(folder, { recursive: true });
});

/** A call of createAuth whose other options are right. */
const creating = (options: object) => () =>
  createAuth({
    issuer: new URL('http://localhost:1'),
    clientId: 'client',
    baseUrl: new URL('http://localhost:1'),
    sessionSecrets: ['long-enough-for-this'],
    records,
    ...options,
  });

describe('createAuth', () => {
  it.each([
    ['an empty list', []],
    ['one short secret', ['fifteen-letters']],
    ['a short second secret', ['long-enough-for-this', 'short']],
  ])('refuses %s as sessionSecrets, and says how to make one', (_case, sessionSecrets) => {
    expect(creating({ sessionSecrets })).toThrow(RangeError);
    expect(creating({ sessionSecrets })).toThrow(/^sessionSecrets: .* 16 characters .*randomBytes/);
  });

  it.each([
    ['idleSeconds', 0],
    ['idleSeconds', 0.5],
    ['maxSeconds', Infinity],
    ['maxSeconds', Number.NaN],
    ['maxSeconds', 31_536_001],
    ['staleSeconds', 0],
  ])('refuses %s of %d', (name, value) => {
    expect(creating({ [name]: value })).toThrow(new RegExp(`^${name}: .* whole number of seconds`));
  });

  it('refuses a client authentication with a secret that is not there', () => {
    const clientAuthentication = 'client_secret_basic';
    expect(creating({ clientAuthentication })).toThrow(/^clientAuthentication: .* a clientSecret$/);
    expect(creating({ clientAuthentication, clientSecret: 's' })).not.toThrow();
  });

  it('refuses a baseUrl with a path, since cookies and routes belong to a whole host', () => {
    const baseUrl = new URL('https://app.example.com/forum');
    expect(creating({ baseUrl })).toThrow(/^baseUrl: .* has a path/);
  });
});

describe('createSealer', () => {
  it('refuses an empty secret, which would give every copy of the app the same keys', () => {
    expect(() => createSealer([''], 'anything')).toThrow(RangeError);
    expect(() => createSealer([], 'anything')).toThrow(RangeError);
  });
});

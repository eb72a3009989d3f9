// Index keys find the sessions of a user, an organization or an AuthKit session. They survive a
// rotation of the secret, and tell a reader of a copied store nothing.
import { createHmac, hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { SessionIndex } from '../../../src/auth/session/seal.ts';
import type { IndexKeys } from '../../../src/auth/session/records.ts';
import type { SignedIn } from '../../../src/auth/sign-in/user.ts';
import type { TokenFacts } from '../../../src/auth/tokens/token-set.ts';
import type { Store } from '../../../src/store/index.ts';
import { findLeaks } from '../../support/reading/leaks.ts';
import { bytes, eachEngine, session } from '../../support/store/stores.ts';

const [OLD, NEW] = ['the-old-secret-of-the-tests-0123456', 'the-new-secret-of-the-tests-0123456'];
const ISSUER = 'https://issuer.example.com';
const USER = { issuer: ISSUER, sub: 'user_01PLANTED' };
const PLANTED = { sub: USER.sub, org: 'org_01PLANTED', sid: 'session_01PLANTED' };

const signedIn = { user: USER, claims: { sid: PLANTED.sid } } as unknown as SignedIn;
const facts = { orgId: PLANTED.org } as TokenFacts;
const keysWith = (secrets: string[]) => new SessionIndex(secrets).keysFor(signedIn, facts);

/** The sessions that an instance with these secrets finds by each index. */
async function foundWith(secrets: string[], store: Store): Promise<Record<string, string[]>> {
  const index = new SessionIndex(secrets);
  const look = async (by: keyof IndexKeys, indexKeys: string[]) => {
    const found = await Promise.all(indexKeys.map((key) => store.keysBy(by, key)));
    return found.flat().toSorted();
  };
  return {
    person: await look('person', index.ofPerson(USER)),
    organization: await look('organization', index.of('organization', ISSUER, PLANTED.org)),
    issuerSession: await look('issuerSession', index.of('sid', ISSUER, PLANTED.sid)),
  };
}

eachEngine((on) => {
  test('a look-up after a rotation also finds sessions made with the old secret', async () => {
    await on.store.insert('old', session(keysWith([OLD])));
    await on.store.insert('new', session(keysWith([NEW, OLD])));
    const both = ['new', 'old'];
    expect(await foundWith([NEW, OLD], on.other)).toEqual({
      person: both,
      organization: both,
      issuerSession: both,
    });
    // Without the old secret they can be neither found nor opened.
    expect(await foundWith([NEW], on.other)).toEqual({
      person: ['new'],
      organization: ['new'],
      issuerSession: ['new'],
    });
  });

  test('a look-up finds a session refreshed after a rotation only once', async () => {
    await on.store.insert('old', session(keysWith([OLD])));
    const { organization } = keysWith([NEW, OLD]);
    const next = { facts: bytes('facts 2'), tokens: bytes('tokens 2'), organization };
    expect(await on.store.replaceTokens('old', 1, next)).toBe(true);
    expect((await foundWith([NEW, OLD], on.other))['organization']).toEqual(['old']);
    expect((await foundWith([NEW], on.other))['organization']).toEqual(['old']);
  });
});

describe('an index key', () => {
  const keys = keysWith([NEW]);
  const all = Object.values(keys);

  test('differs by secret, index and value', () => {
    const others = [
      ...Object.values(keysWith([OLD])),
      ...new SessionIndex([NEW]).ofPerson({ ...USER, issuer: `${ISSUER}/` }),
      ...new SessionIndex([NEW]).of('organization', ISSUER, PLANTED.sid),
      ...new SessionIndex([NEW]).of('sid', ISSUER, PLANTED.org),
    ];
    expect(all).toHaveLength(3);
    expect(new Set([...all, ...others]).size).toBe(all.length + others.length);
    expect(keysWith([NEW, OLD])).toEqual(keys);
  });

  test('does not show its value, and cannot be computed without the secret', () => {
    expect(findLeaks(PLANTED, all.join('\n'))).toEqual([]);
    const contents = [
      ...Object.values(PLANTED),
      ...Object.values(PLANTED).map((value) => `${ISSUER}\n${value}`),
      JSON.stringify(['person', ISSUER, PLANTED.sub]),
      JSON.stringify(['organization', ISSUER, PLANTED.org]),
      JSON.stringify(['sid', ISSUER, PLANTED.sid]),
    ];
    const guesses = contents.flatMap((content) => [
      hash('sha256', content, 'base64url'),
      ...['', ISSUER, 'session index'].map((key) =>
        createHmac('sha256', key).update(content).digest('base64url'),
      ),
    ]);
    for (const key of all) expect(guesses).not.toContain(key);
    // Version 0.1.0 computed one without the secret: it is looked up, but no new session has it.
    expect(guesses).toContain(new SessionIndex([NEW]).ofPerson(USER).at(-1));
  });

  test('is absent for a session without an organization or an AuthKit session', () => {
    const index = new SessionIndex([NEW]);
    const without = { ...signedIn, claims: {} };
    const { person, ...others } = index.keysFor(without, {} as TokenFacts);
    expect(person).toMatch(/^[\w-]{43}$/);
    expect(Object.values(others)).toEqual([undefined, undefined]);
  });
});

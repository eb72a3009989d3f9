// The demo's user directory remembers what it has opened, which must not make it out of date.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { User } from '../../src/auth/index.ts';
import { openEntries, type Entries } from '../../src/demo/entries.ts';
import { createUserDirectory, type UserDirectory } from '../../src/demo/user-directory.ts';
import { temporaryFiles } from '../support/store/stores.ts';

const newFile = temporaryFiles();
const issuer = 'https://example.authkit.app';
const user = (sub: string): User => ({ issuer, sub, name: 'Ada', email: `${sub}@example.com` });
const keyOf = (sub: string) =>
  `directory:${createHash('sha256').update(`${issuer}\n${sub}`).digest('base64url')}`;

let entries: Entries;
let directory: UserDirectory;
let ofOtherInstance: UserDirectory;

beforeAll(async () => {
  entries = await openEntries(newFile());
  const secrets = ['a secret of sixteen characters'];
  directory = createUserDirectory(entries, secrets);
  ofOtherInstance = createUserDirectory(entries, secrets);
});
afterAll(() => entries.close());

test('a user who was found before has the name of a later sign-in on another instance', async () => {
  const ada = user('user_ada');
  await directory.upsert(ada);
  expect(await directory.find(issuer, ada.sub)).toEqual(ada);
  expect(await directory.find(issuer, ada.sub)).toEqual(ada);
  await ofOtherInstance.upsert({ ...ada, name: 'Ada King' });
  expect(await directory.find(issuer, ada.sub)).toEqual({ ...ada, name: 'Ada King' });
});

test('a user whose entry has ended is found no more', async () => {
  const bob = user('user_bob');
  await directory.upsert(bob);
  expect(await directory.find(issuer, bob.sub)).toEqual(bob);
  await entries.write(keyOf(bob.sub), 'ended', Date.now() - 1);
  expect(await directory.find(issuer, bob.sub)).toBeNull();
});

test('an entry that was copied to another user is not opened', async () => {
  const [carol, dan] = [user('user_carol'), user('user_dan')];
  await directory.upsert(carol);
  await directory.upsert(dan);
  expect(await directory.find(issuer, carol.sub)).toEqual(carol);
  const copied = (await entries.read(keyOf(carol.sub))) ?? '';
  await entries.write(keyOf(dan.sub), copied, Date.now() + 60_000);
  expect(await directory.find(issuer, dan.sub)).toBeNull();
});

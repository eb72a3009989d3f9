// A process that uses a store: `node store-process.js <job> <file or URL> <name>`.
// It prints each acknowledged write on a line, so that a test knows what the store must contain.
import { closeSync, openSync, rmSync } from 'node:fs';
import { openStore, StoreError } from '../../../src/store/index.ts';

const [job = '', file = '', name = ''] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
const HOUR = 3_600_000;
const bytes = (text: string) => Buffer.from(text);

let people = 0;

const newSession = () => ({
  data: bytes('data 1'),
  startedAt: Date.now(),
  expiresAt: Date.now() + HOUR,
  endsAt: Date.now() + HOUR,
  // One person per session: only the newest fifty sessions of a person are kept.
  signIn: {
    keys: { person: `${name}-${(people += 1)}` },
    facts: bytes('g'),
    tokens: bytes('t'.repeat(3_000)),
    label: name,
  },
});

// File permissions do not apply to root, so root becomes the user nobody.
if (job === 'open-as-nobody' && process.getuid?.() === 0) process.setuid?.(65_534);
const redisUrl = file.startsWith('redis') ? file : undefined;
const databaseUrl = file.startsWith('postgres:') ? file : undefined;
const { store } = await openStore({ file, redisUrl, databaseUrl });

const codeOf = (error: unknown) =>
  error instanceof StoreError ? error.code : `no StoreError but ${String(error)}`;

async function write(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const key = `${name}-${i}`;
    await store.insert(key, newSession());
    await store.update(key, bytes('data 2'), Date.now(), Date.now() + HOUR);
    await store.replaceTokens(key, 1, { facts: bytes('g'), tokens: bytes('t') });
    say(key);
  }
}

/** Writes until the disk is full, then prints the error code and whether reads still work. */
async function fill(): Promise<void> {
  for (let i = 0; ; i += 1) {
    try {
      await store.insert(`${name}-${i}`, newSession());
    } catch (error) {
      const readable = await store.read(`${name}-0`);
      say(
        `${codeOf(error)} ${i > 0 && readable?.data.toString() === 'data 1' ? 'readable' : 'unreadable'}`,
      );
      const isRemoved = await store.remove(`${name}-0`).catch(() => false);
      const isGone = (await store.read(`${name}-0`)) === undefined;
      say(isRemoved === isGone ? 'removed as told' : 'not removed as told');
      return;
    }
  }
}

/** Enters a section guarded by a lease again and again; fails if another process is inside. */
async function exclude(rounds: number): Promise<void> {
  for (let entered = 0; entered < rounds;) {
    if (!(await store.acquireLease('door', name, 60_000))) continue;
    closeSync(openSync(`${file}.inside`, 'wx'));
    await store.renewLease('door', name, 60_000);
    rmSync(`${file}.inside`);
    await store.releaseLease('door', name);
    entered += 1;
  }
}

if (job === 'write') await write(150);
if (job === 'write-on') await write(Number.MAX_SAFE_INTEGER);
if (job === 'ping')
  await store.ping().then(
    () => say('reachable'),
    (error) => say(codeOf(error)),
  );
if (job === 'read') say((await store.read(name)) ? 'there' : 'not there');
if (job === 'fill') await fill();
if (job === 'exclude') await exclude(100);
await store.close();

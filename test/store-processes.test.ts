// The stores when things go wrong: several processes, kill -9, no room, damage, and Redis away.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { NewSession } from '../src/auth/records.ts';
import { selfSignedCertificate } from '../src/local-authkit/certificate.ts';
import { openEmbeddedStore } from '../src/store/embedded.ts';
import { StoreError, type StoreEvent } from '../src/store/index.ts';
import { connectRedis } from '../src/store/redis-client.ts';
import { redisStore } from '../src/store/redis.ts';
import { startRedis } from './support/redis.ts';

const HOUR = 3_600_000;
const folder = mkdtempSync(join(tmpdir(), 'store-'));
chmodSync(folder, 0o755);
let files = 0;
const newFile = () => join(folder, `${(files += 1)}.db`);
afterAll(() => rmSync(folder, { recursive: true }));

const session = (): NewSession => ({
  data: 'data 1',
  startedAt: Date.now(),
  expiresAt: Date.now() + HOUR,
  endsAt: Date.now() + HOUR,
  signIn: { userKey: 'ada', grant: 'g', tokens: 't', browser: 'b' },
});

const SCRIPT = fileURLToPath(new URL('support/store-process.ts', import.meta.url));

interface Job {
  process: ChildProcess;
  lines: string[];
  errors: () => string;
  ended: Promise<unknown>;
}

function run(job: string, file: string, name: string, shell = ''): Job {
  const command = `${shell} exec "$0" --import tsx "$@"`;
  const child = spawn('sh', ['-c', command, process.execPath, SCRIPT, job, file, name]);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return {
    process: child,
    // A line without its end was not finished when the process died.
    get lines() {
      return output.split('\n').slice(0, -1);
    },
    errors: () => errors,
    ended: once(child, 'close'),
  };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof StoreError ? error.code : `no StoreError but ${String(error)}`;
}

async function took(promise: Promise<unknown>): Promise<number> {
  const before = performance.now();
  expect(await codeOf(promise)).toBe('store_unreachable');
  return performance.now() - before;
}

describe('several processes on one session file', () => {
  test('make it together and write at once without an error', async () => {
    const file = newFile();
    const jobs = ['a', 'b', 'c', 'd'].map((name) => run('write', file, name));
    await Promise.all(jobs.map(({ ended }) => ended));
    expect(jobs.map(({ errors }) => errors())).toEqual(['', '', '', '']);
    const store = await openEmbeddedStore({ file });
    expect(await store.sessionsOf('ada')).toHaveLength(600);
    for (const key of jobs.flatMap(({ lines }) => lines)) {
      expect(await store.read(key)).toEqual({ data: 'data 2', grant: 'g', version: 2 });
    }
    await store.close();
  });

  test('hold a lease one at a time', async () => {
    const file = newFile();
    const jobs = ['a', 'b', 'c'].map((name) => run('exclude', file, name));
    await Promise.all(jobs.map(({ ended }) => ended));
    expect(jobs.map(({ errors }) => errors())).toEqual(['', '', '']);
  });

  test('lose nothing that was acknowledged to one that is killed', async () => {
    const file = newFile();
    for (const name of ['a', 'b', 'c']) {
      const job = run('write-on', file, name);
      await vi.waitFor(() => expect(job.lines.length).toBeGreaterThan(20), 20_000);
      job.process.kill('SIGKILL');
      await job.ended;
      const store = await openEmbeddedStore({ file });
      for (const key of job.lines) {
        expect(await store.read(key)).toEqual({ data: 'data 2', grant: 'g', version: 2 });
      }
      expect(await store.update(`${name}-0`, 'x', Date.now(), Date.now() + HOUR)).toBe(true);
      await store.close();
    }
  });

  test('wait for a write of another without being blocked, and not for ever', async () => {
    const file = newFile();
    const [store, { default: Database }] = await Promise.all([
      openEmbeddedStore({ file }),
      import('libsql'),
    ]);
    await store.insert('a', session());
    const holder = new Database(file);
    holder.exec('BEGIN IMMEDIATE');
    const refused = codeOf(store.insert('b', session()));
    expect(await store.read('a')).toBeDefined();
    expect(await refused).toBe('store_unreachable');
    const written = store.insert('b', session());
    holder.exec('COMMIT');
    await written;
    expect(await store.read('b')).toBeDefined();
    holder.close();
    await store.close();
  });
});

describe('a session file', () => {
  // A file system of 2 MB where that may be mounted, else a limit on the size of files.
  test('without room refuses writes with a clear error, and is read on', async () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    let limit = '';
    try {
      const mount = ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk];
      execFileSync('mount', mount, { stdio: 'ignore' });
    } catch {
      limit = 'ulimit -f 2048;';
    }
    try {
      const job = run('fill', join(disk, 'sessions.db'), 'a', limit);
      await job.ended;
      expect(job.errors()).toBe('');
      expect(job.lines).toEqual(['store_full readable']);
    } finally {
      if (limit === '') execFileSync('umount', [disk]);
    }
  });

  test('that may not be written is told so when it is opened', async () => {
    const file = newFile();
    await (await openEmbeddedStore({ file })).close();
    chmodSync(file, 0o444);
    const job = run('open-as-nobody', file, 'a');
    await job.ended;
    expect(job.errors()).toContain('StoreError');
    expect(job.errors()).toContain('store_readonly');
  });

  test('that is no database is kept and named, and opens afresh once moved aside', async () => {
    const file = newFile();
    const content = 'this is not a database, but somebody may want it back '.repeat(500);
    writeFileSync(file, content);
    const opening = openEmbeddedStore({ file });
    expect(await codeOf(opening)).toBe('store_damaged');
    await expect(opening).rejects.toThrow(`${file} is not a database; move it aside`);
    expect(readFileSync(file, 'utf8')).toBe(content);
    rmSync(file);
    const store = await openEmbeddedStore({ file });
    await store.insert('a', session());
    await store.close();
  });

  test('whose pages are overwritten rejects as damaged, and is kept', async () => {
    const file = newFile();
    const first = await openEmbeddedStore({ file });
    for (let i = 0; i < 200; i += 1) await first.insert(`${i}`, session());
    await first.close();
    const bytes = readFileSync(file);
    bytes.fill(0xa5, 8192 * 2);
    writeFileSync(file, bytes);
    const store = await openEmbeddedStore({ file });
    expect(await codeOf(store.read('7'))).toBe('store_damaged');
    expect(await codeOf(store.insert('new', session()))).toBe('store_damaged');
    await store.close();
    expect(readFileSync(file).subarray(8192 * 2)).toEqual(bytes.subarray(8192 * 2));
  });

  test('made by another version is refused as damaged', async () => {
    const file = newFile();
    const { default: Database } = await import('libsql');
    const db = new Database(file);
    db.exec('CREATE TABLE sessions (sid TEXT, sess TEXT, expires_at INTEGER)');
    db.close();
    expect(await codeOf(openEmbeddedStore({ file }))).toBe('store_damaged');
  });
});

describe('Redis', () => {
  const clean: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const step of clean.splice(0).toReversed()) await step();
  });
  let events: StoreEvent[];
  beforeEach(() => {
    events = [];
  });

  async function startStore(commandTimeoutMs = 300) {
    const redis = await startRedis({ persist: true });
    clean.push(() => redis.close());
    const client = await connectRedis(redis.url, (event) => void events.push(event));
    const store = redisStore(client, { commandTimeoutMs });
    clean.push(() => store.close());
    return { redis, store };
  }

  test('stopped: commands fail at once; started: they work again by themselves', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session());
    await redis.stop();
    await vi.waitFor(() => expect(events.at(-1)?.event).toBe('store_unreachable'));
    expect(await took(store.read('a'))).toBeLessThan(100);
    expect(await took(store.ping())).toBeLessThan(100);
    await redis.start();
    await vi.waitFor(() => store.ping(), { timeout: 10_000, interval: 50 });
    expect(await store.read('a')).toEqual({ data: 'data 1', grant: 'g', version: 1 });
    expect(events.map(({ event }) => event)).toEqual([
      'store_reachable',
      'store_unreachable',
      'store_reachable',
    ]);
  });

  test('stopped in the middle of many commands: every one of them is answered', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session());
    const many = Array.from({ length: 500 }, () => store.read('a').catch((e: unknown) => e));
    const stopped = redis.stop();
    const more = Array.from({ length: 500 }, () => store.read('a').catch((e: unknown) => e));
    await stopped;
    for (const result of await Promise.all([...many, ...more])) {
      if (result instanceof Error) expect(result).toBeInstanceOf(StoreError);
      else expect(result).toMatchObject({ data: 'data 1' });
    }
  });

  test('frozen: the first commands fail in time, the next at once; then it works on', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session());
    redis.pause();
    const first = await Promise.all([took(store.read('a')), took(store.ping())]);
    for (const ms of first) expect(ms).toBeLessThan(600);
    expect(await took(store.read('a'))).toBeLessThan(50);
    redis.resume();
    await vi.waitFor(() => store.ping(), { timeout: 10_000, interval: 20 });
    expect(await store.read('a')).toBeDefined();
  });

  test('frozen for longer than a connection may be silent: it works on too', async () => {
    const { redis, store } = await startStore();
    redis.pause();
    await took(store.ping());
    await vi.waitFor(() => expect(events.at(-1)?.event).toBe('store_unreachable'), 15_000);
    expect(await took(store.ping())).toBeLessThan(100);
    redis.resume();
    await vi.waitFor(() => store.ping(), { timeout: 15_000, interval: 50 });
  });

  test('away at the start: the store is there, fails fast, and works once Redis has come', async () => {
    const redis = await startRedis();
    clean.push(() => redis.close());
    await redis.stop();
    const client = await connectRedis(redis.url, (event) => void events.push(event));
    const store = redisStore(client);
    clean.push(() => store.close());
    expect(await took(store.ping())).toBeLessThan(100);
    await redis.start();
    await vi.waitFor(() => store.ping(), { timeout: 10_000, interval: 50 });
  });

  test('full: writes are refused as such, reads and sign-out go on', async () => {
    const { redis, store } = await startStore();
    await store.insert('a', session());
    await redis.command('CONFIG SET maxmemory 1');
    expect(await codeOf(store.insert('b', session()))).toBe('store_full');
    expect(await store.read('a')).toBeDefined();
    await store.remove('a');
    expect(await store.read('a')).toBeUndefined();
  });

  test('as a read-only replica: writes are refused as such', async () => {
    const { redis, store } = await startStore();
    await redis.command('REPLICAOF 127.0.0.1 1');
    expect(await codeOf(store.writeEntry('e', 'x', Date.now() + HOUR))).toBe('store_readonly');
  });

  test('behind TLS: rediss:// works with a certificate it trusts, and with no other', async () => {
    const { redis } = await startStore();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = selfSignedCertificate(privateKey, 'localhost').toString('base64');
    const cert = `-----BEGIN CERTIFICATE-----\n${der}\n-----END CERTIFICATE-----\n`;
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const server = createServer({ cert, key }, (socket) => {
      const behind = connect(redis.port, '127.0.0.1');
      socket.pipe(behind).pipe(socket);
      socket.on('error', () => behind.destroy());
      behind.on('error', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    clean.push(async () => void server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const trusted = newFile();
    writeFileSync(trusted, cert);

    const outcomes = [trusted, ''].map(async (certificates) => {
      const job = run(
        'ping',
        `rediss://localhost:${port}`,
        'a',
        `NODE_EXTRA_CA_CERTS=${certificates}`,
      );
      await job.ended;
      return [...job.lines, job.errors()];
    });
    expect(await Promise.all(outcomes)).toEqual([
      ['answered', ''],
      ['store_unreachable', ''],
    ]);
  });
});

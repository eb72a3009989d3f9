// Faults of PostgreSQL: stopped, frozen, down at start, locked, read-only, failed over, refusing.
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { inspect } from 'node:util';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';
import { MOST_SESSIONS_PER_PERSON } from '../../src/auth/session/records.ts';
import { certificateFor } from '../support/machine/certificate.ts';
import { openStore, StoreError, type Store, type StoreEvent } from '../../src/store/index.ts';
import { connectPostgres } from '../../src/store/postgres/client.ts';
import { startPruning } from '../../src/store/postgres/pruning.ts';
import { postgresStore } from '../../src/store/postgres/store.ts';
import { startAddress } from '../support/store/address.ts';
import { codeOf, run } from '../support/store/jobs.ts';
import { startPostgres, USER, type TestPostgres } from '../support/store/postgres.ts';
import { bytes, HOUR, session, temporaryFiles } from '../support/store/stores.ts';
import { isMissing } from '../support/machine/parts.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe, test } = withParts('Postgres');
const newFile = temporaryFiles();
const READ_ONLY = 'ALTER SYSTEM SET default_transaction_read_only = on';

const clean: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of clean.splice(0).toReversed()) await step();
});
let events: StoreEvent[];
let causes: unknown[];
beforeAll(async () => {
  if (!isMissing('Postgres')) postgres = await startPostgres();
});
afterAll(() => postgres?.close());
beforeEach(async () => {
  postgres?.resume();
  await postgres?.start();
  await postgres?.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  events = [];
  causes = [];
});

/** The server of most tests, without tables when one begins. */
let postgres: TestPostgres;

/** A server that ends with the test. */
async function startServer(settings?: string[]): Promise<TestPostgres> {
  const server = await startPostgres(settings);
  clean.push(() => server.close());
  return server;
}

async function connect(url: string) {
  const connections = await connectPostgres(url, (event, cause) => {
    events.push(event);
    causes.push(cause);
  });
  const store = postgresStore(connections);
  clean.push(() => store.close());
  return { connections, store };
}

/** A connection of its own, which ends with the test. */
async function openClient(url: string): Promise<Client> {
  const client = new Client(url);
  client.on('error', () => undefined);
  await client.connect();
  clean.push(() => client.end());
  return client;
}

const named = () => events.map(({ event }) => event);
const untilReported = (...names: string[]) =>
  vi.waitFor(() => expect(named()).toEqual(names), 15_000);
const untilItWorks = (work: () => Promise<unknown>) => vi.waitFor(work, { interval: 20 });

/** How long it takes until this is rejected as unreachable. */
async function took(promise: Promise<unknown>): Promise<number> {
  const before = performance.now();
  expect(await codeOf(promise)).toBe('store_unreachable');
  return performance.now() - before;
}

describe('the PostgreSQL store in an outage', () => {
  test('fails at once while the server is stopped, and reports each outage and its end', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    for (let outage = 1; outage <= 2; outage += 1) {
      const before = named();
      await postgres.stop();
      await untilReported(...before, 'store_unreachable');
      expect(await took(store.read('a'))).toBeLessThan(500);
      expect(await took(store.ping())).toBeLessThan(500);
      await postgres.start();
      await untilItWorks(() => store.ping());
      expect(await store.read('a')).toMatchObject({ data: bytes('data 1'), version: 1 });
      await untilReported(...before, 'store_unreachable', 'store_reachable');
    }
  });

  test('opens while the server is down, fails fast, and creates its table once it is up', async () => {
    await postgres.stop();
    const { store } = await connect(postgres.url);
    expect(named()).toEqual(['store_unreachable']);
    expect(await took(store.ping())).toBeLessThan(500);
    await postgres.start();
    await untilItWorks(() => store.insert('a', session('ada')));
    expect(await store.read('a')).toBeDefined();
  });

  test('fails the first commands in time and the next at once while the server is frozen', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    await postgres.pause();
    const first = await Promise.all(Array.from({ length: 30 }, () => took(store.read('a'))));
    for (const ms of first) expect(ms).toBeLessThan(2_500);
    expect(await took(store.read('a'))).toBeLessThan(500);
    await untilReported('store_reachable', 'store_unreachable');
    postgres.resume();
    await untilItWorks(() => store.ping());
    expect(await store.read('a')).toBeDefined();
  });

  test('settles every one of many commands when the server stops in between', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    const read = () => store.read('a').catch((error: unknown) => error);
    const many = Array.from({ length: 500 }, read);
    const stopped = postgres.stop();
    const more = Array.from({ length: 500 }, read);
    await stopped;
    for (const result of await Promise.all([...many, ...more])) {
      if (result instanceof Error) expect(result).toBeInstanceOf(StoreError);
      else expect(result).toMatchObject({ data: bytes('data 1') });
    }
  });

  test('accepts a reply that arrived while the process was busy beyond the deadline', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    const read = store.read('a');
    // The command is sent first; then the event loop blocks while the reply waits.
    await new Promise((sent) => setImmediate(sent));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
    expect(await read).toMatchObject({ data: bytes('data 1') });
  });

  test('survives the end of all its idle connections', async () => {
    const { store } = await connect(postgres.url);
    await Promise.all(Array.from({ length: 20 }, () => store.ping()));
    await postgres.sql(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
    );
    await untilItWorks(() => store.insert('a', session('ada')));
    expect(await store.read('a')).toBeDefined();
  });

  test('adds what the table of an earlier version lacks, by several instances at once', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    await postgres.sql('ALTER TABLE authkit_sessions DROP COLUMN recheck_at');
    const opened = await Promise.all([1, 2, 3, 4].map(() => connect(postgres.url)));
    expect(await opened[0]?.store.read('a')).toMatchObject({ data: bytes('data 1'), recheckAt: 0 });
    await opened[1]?.store.recheck('a', 5);
    expect(await opened[2]?.store.read('a')).toMatchObject({ recheckAt: 5 });
  });

  test('creates its table again if somebody drops it and restarts the server', async () => {
    const { store } = await connect(postgres.url);
    await postgres.sql('DROP TABLE authkit_sessions');
    expect(await codeOf(store.insert('a', session('ada')))).toBe('store_failed');
    await postgres.stop();
    await untilReported('store_reachable', 'store_unreachable');
    await postgres.start();
    await untilItWorks(() => store.insert('a', session('ada')));
  });
});

describe('the PostgreSQL store on a busy server', () => {
  test('settles a thousand commands at once over ten connections', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    const read = () => store.read('a').catch((error: unknown) => error);
    // On a slow machine, the last of them wait for a connection for too long.
    for (const result of await Promise.all(Array.from({ length: 1_000 }, read))) {
      if (result instanceof Error) expect(result).toBeInstanceOf(StoreError);
      else expect(result).toMatchObject({ data: bytes('data 1') });
    }
    const [count] = await postgres.sql(`
      SELECT count(*)::integer AS found FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`);
    expect(count?.['found']).toBeLessThanOrEqual(10);
    await untilItWorks(() => store.ping());
  });

  test('fails in time while its table is locked, without using up the connections', async () => {
    const { store } = await connect(postgres.url);
    const locker = await openClient(postgres.url);
    await locker.query('BEGIN; LOCK TABLE authkit_sessions');
    const waited = await Promise.all(Array.from({ length: 20 }, () => took(store.read('a'))));
    for (const ms of waited) expect(ms).toBeLessThan(2_500);
    const waiting = () => postgres.sql('SELECT pid FROM pg_locks WHERE NOT granted');
    await vi.waitFor(async () => expect(await waiting()).toEqual([]), 10_000);
    await locker.query('COMMIT');
    await untilItWorks(() => store.ping());
  });

  test('is unreachable while the server has no connection left, and works again after', async () => {
    const server = await startServer(['max_connections=8', 'superuser_reserved_connections=0']);
    const others = await Promise.all(Array.from({ length: 8 }, () => openClient(server.url)));
    const { store } = await connect(server.url);
    expect(await codeOf(store.read('a'))).toBe('store_unreachable');
    expect(events).toEqual([{ event: 'store_unreachable', code: 'store_unreachable' }]);
    await Promise.all(others.map((other) => other.end()));
    await untilItWorks(() => store.ping());
  });

  test('starts on an empty database from many instances at once', async () => {
    const opened = await Promise.all(Array.from({ length: 12 }, () => connect(postgres.url)));
    expect(named()).toEqual(opened.map(() => 'store_reachable'));
    await Promise.all(opened.map(({ store }, i) => store.insert(`${i}`, session('ada'))));
    expect(await opened[0]?.store.sessionsOf('ada')).toHaveLength(12);
  });

  test('keeps fifty sessions of a person when many instances insert at once', async () => {
    const opened = await Promise.all([1, 2, 3, 4].map(() => connect(postgres.url)));
    const inserting = opened.map(async ({ store }, one) => {
      for (let i = 0; i < 20; i += 1) await store.insert(`${one} ${i}`, session('ada'));
    });
    await Promise.all(inserting);
    expect(await opened[0]?.store.keysBy('person', 'ada')).toHaveLength(MOST_SESSIONS_PER_PERSON);
  });

  test('is separate for two applications in two schemas of one database', async () => {
    await postgres.sql('DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA other');
    const { store } = await connect(postgres.url);
    const { store: other } = await connect(`${postgres.url}?options=-csearch_path=other`);
    await store.insert('a', session('ada'));
    expect(await other.sessionsOf('ada')).toEqual([]);
    await other.insert('a', session('ada'));
    expect(await store.remove('a')).toBe(true);
    expect(await other.read('a')).toBeDefined();
  });

  test('writes a session that is saved twice at once, as it was saved last', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    await store.insert('a', session('ada', { data: bytes('data 2') }));
    expect(await store.read('a')).toMatchObject({ data: bytes('data 2'), version: 1 });
  });

  test('loses rows that expired an hour ago without any request, whoever prunes', async () => {
    const { connections, store } = await connect(postgres.url);
    const { connections: other } = await connect(postgres.url);
    const expired = { expiresAt: Date.now() - HOUR - 1_000 };
    for (let i = 0; i < 250; i += 1) await store.insert(`${i}`, session(undefined, expired));
    await store.insert('late', session(undefined, { expiresAt: Date.now() - HOUR / 2 }));
    await store.insert('kept', session('ada'));
    await store.acquireLease('l', 'one', -HOUR - 1_000);
    const stops = [connections, other].map((each) => startPruning(each, 10));
    const keys = async () => await postgres.sql('SELECT key FROM authkit_sessions ORDER BY key');
    await vi.waitFor(
      async () => expect(await keys()).toEqual([{ key: 'kept' }, { key: 'late' }]),
      10_000,
    );
    await Promise.all(stops.map((stop) => stop()));
  });
});

describe('the PostgreSQL store on a server that refuses', () => {
  test.each([
    ['53100', 'store_full'],
    ['25006', 'store_readonly'],
    ['40001', 'store_unreachable'],
    ['57014', 'store_unreachable'],
    ['42501', 'store_failed'],
    ['XX000', 'store_failed'],
  ])('a write with SQLSTATE %s rejects with %s, and reads still work', async (state, code) => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    await postgres.sql(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '${state}'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON authkit_sessions EXECUTE FUNCTION refuse()`);
    expect(await codeOf(store.insert('b', session('ada')))).toBe(code);
    expect(await codeOf(store.ping())).toBe(code);
    expect(await store.read('a')).toBeDefined();
    expect(await store.remove('a')).toBe(true);
    await postgres.sql('DROP TRIGGER refuse ON authkit_sessions');
    await store.insert('b', session('ada'));
  });

  test('a user without the right to create tables uses the table that is there', async () => {
    await connect(postgres.url);
    await postgres.sql('CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA public TO guest');
    const url = postgres.url.replace('app@', 'guest@');
    const refused = await connect(url);
    expect(await codeOf(refused.store.read('a'))).toBe('store_failed');
    await postgres.sql('GRANT ALL ON authkit_sessions TO guest');
    await untilItWorks(() => refused.store.ping());
  });

  test('no error or event quotes the URL or its password', async () => {
    const url = postgres.url.replace('app@', 'nobody:pass-word@');
    const { store } = await connect(url);
    const errors = [await store.read('a').catch((error: unknown) => error), ...causes];
    await postgres.stop();
    await vi.waitFor(
      async () => expect(await codeOf(store.read('a'))).toBe('store_unreachable'),
      5_000,
    );
    errors.push(await store.read('a').catch((error: unknown) => error));
    for (const wrong of ['postgres://u:pass-word@host:port/d', 'http://u:pass-word@host/d'])
      errors.push(
        await openStore({ databaseUrl: wrong, file: '' }).catch((error: unknown) => error),
      );
    expect(errors).toHaveLength(5);
    for (const error of errors) expect(error).toBeInstanceOf(Error);
    expect(inspect(errors, { depth: 12, showHidden: false })).not.toContain('pass-word');
  });
});

async function reconfigure(server: TestPostgres, change: string): Promise<void> {
  await server.sql(change);
  await server.sql('SELECT pg_reload_conf()');
}

const untilReadOnly = (store: Store) =>
  vi.waitFor(async () => {
    expect(await codeOf(store.insert('b', session('ada')))).toBe('store_readonly');
  }, 10_000);

/** Files of a certificate that nobody trusts, readable by the server alone. */
function newCertificate(): { cert: string; key: string } {
  const [cert, key] = [newFile(), newFile()];
  const made = certificateFor('localhost');
  const contents = [made.cert, made.key];
  for (const [index, file] of [cert, key].entries()) {
    mkdirSync(dirname(file));
    writeFileSync(file, contents[index] ?? '', { mode: 0o600 });
    if (USER.uid === undefined) continue;
    chownSync(file, USER.uid, USER.gid);
    chmodSync(dirname(dirname(file)), 0o755);
  }
  return { cert, key };
}

test('the PostgreSQL store connects by sslmode=require with a trusted certificate only', async () => {
  const { cert, key } = newCertificate();
  const server = await startServer(['ssl=on', `ssl_cert_file=${cert}`, `ssl_key_file=${key}`]);
  const url = `${server.url.replace('127.0.0.1', 'localhost')}?sslmode=require`;
  const outcomes = [cert, ''].map(async (trusted) => {
    const job = run('ping', url, 'a', `NODE_EXTRA_CA_CERTS=${trusted}`);
    await job.ended;
    return [...job.lines, job.errors()];
  });
  expect(await Promise.all(outcomes)).toEqual([
    ['reachable', ''],
    ['store_unreachable', ''],
  ]);
});

describe('the PostgreSQL store in a failover', () => {
  test('leaves a server that has become read-only, and uses it again when it is not', async () => {
    const { store } = await connect(postgres.url);
    await store.insert('a', session('ada'));
    await reconfigure(postgres, READ_ONLY);
    await untilReadOnly(store);
    expect(await store.read('a')).toBeDefined();
    await reconfigure(postgres, 'ALTER SYSTEM RESET ALL');
    await untilItWorks(() => store.ping());
    expect(named()).toEqual(['store_reachable']);
  });

  test('works with the new primary in seconds, although its connections lead to the old server', async () => {
    const first = await startServer();
    const second = await first.startStandby();
    clean.push(() => second.close());
    // The old primary stays and is only fenced: nothing closes the connections to it.
    const address = await startAddress(first.port);
    clean.push(async () => address.close());
    const { store } = await connect(first.url.replace(`${first.port}`, `${address.port}`));
    await Promise.all(Array.from({ length: 20 }, () => store.ping()));
    await store.insert('a', session('ada'));
    const isThere = () => second.sql("SELECT 1 FROM authkit_sessions WHERE key = 'a'");
    await vi.waitFor(async () => expect(await isThere()).toHaveLength(1), 10_000);

    await reconfigure(first, READ_ONLY);
    await second.promote();
    address.leadTo(second.port);
    const promotedAt = performance.now();
    const { store: direct } = await connect(second.url);
    await direct.insert('new', session('ada'));
    // Reads alone notice it too.
    await untilItWorks(async () => expect(await store.read('new')).toBeDefined());
    await untilItWorks(() => store.insert('b', session('ada')));
    expect(performance.now() - promotedAt).toBeLessThan(6_000);
    expect(await store.read('a')).toBeDefined();
    expect(await second.sql("SELECT key FROM authkit_sessions WHERE key = 'b'")).toHaveLength(1);
    expect(named()).toEqual(['store_reachable', 'store_reachable']);
  });
});

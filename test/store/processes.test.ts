// Faults around the session file: several processes, kill -9, a full disk, damage.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { openEntries } from '../../src/demo/entries.ts';
import { openSqlite } from '../../src/store/embedded/sqlite.ts';
import { openEmbeddedStore } from '../../src/store/embedded/store.ts';
import { passMonotonic } from '../support/clock/monotonic.ts';
import { codeOf, run } from '../support/store/jobs.ts';
import { bytes, HOUR, session } from '../support/store/stores.ts';

const folder = mkdtempSync(join(tmpdir(), 'store-'));
chmodSync(folder, 0o755);
let files = 0;
const newFile = () => join(folder, `${(files += 1)}.db`);
afterAll(() => rmSync(folder, { recursive: true }));

/** The row that the jobs leave for each session. */
const WRITTEN = {
  data: bytes('data 2'),
  facts: bytes('g'),
  version: 2,
  lastSeenAt: expect.any(Number) as number,
  recheckAt: 0,
};

describe('several processes on one session file', () => {
  test('create it together and write at once without an error', async () => {
    const file = newFile();
    const jobs = ['a', 'b', 'c', 'd'].map((name) => run('write', file, name));
    await Promise.all(jobs.map(({ ended }) => ended));
    expect(jobs.map(({ errors }) => errors())).toEqual(['', '', '', '']);
    const store = await openEmbeddedStore({ file });
    const written = jobs.flatMap(({ lines }) => lines);
    expect(written).toHaveLength(600);
    for (const key of written) {
      expect(await store.read(key)).toEqual(WRITTEN);
    }
    await store.close();
  });

  test('see the writes of one that has opened the file twice, as the app does', async () => {
    const file = newFile();
    const stores = [await openEmbeddedStore({ file }), await openEmbeddedStore({ file })];
    const entries = await openEntries(file);
    // The last process to close the file deletes its log; this one is not the last.
    const visits = run('read', file, 'nobody');
    await visits.ended;
    expect([...visits.lines, visits.errors()]).toEqual(['not there', '']);
    for (const [index, store] of stores.entries()) {
      await store.insert(`${index}`, session('ada'));
      const job = run('read', file, `${index}`);
      await job.ended;
      expect([...job.lines, job.errors()]).toEqual(['there', '']);
    }
    await Promise.all([entries, ...stores].map((each) => each.close()));
    const after = await openEmbeddedStore({ file });
    expect(await after.sessionsOf('ada')).toHaveLength(2);
    await after.close();
  });

  test('hold a lease one after the other', async () => {
    const file = newFile();
    const jobs = ['a', 'b', 'c'].map((name) => run('exclude', file, name));
    await Promise.all(jobs.map(({ ended }) => ended));
    expect(jobs.map(({ errors }) => errors())).toEqual(['', '', '']);
  });

  test('keep every acknowledged write of a killed one', async () => {
    const file = newFile();
    for (const name of ['a', 'b', 'c']) {
      const job = run('write-on', file, name);
      await vi.waitFor(() => expect(job.lines.length).toBeGreaterThan(20), 20_000);
      job.process.kill('SIGKILL');
      await job.ended;
      const store = await openEmbeddedStore({ file });
      for (const key of job.lines) {
        expect(await store.read(key)).toEqual(WRITTEN);
      }
      expect(await store.update(`${name}-0`, bytes('x'), Date.now(), Date.now() + HOUR)).toBe(true);
      await store.close();
    }
  });

  test('wait for a write lock for a limited time, without blocking reads', async () => {
    const file = newFile();
    const [store, { default: Database }] = await Promise.all([
      openEmbeddedStore({ file }),
      import('libsql'),
    ]);
    await store.insert('a', session('ada'));
    const holder = new Database(file);
    holder.exec('BEGIN IMMEDIATE');
    const refused = codeOf(store.insert('b', session('ada')));
    expect(await store.read('a')).toBeDefined();
    expect(await refused).toBe('store_unreachable');
    expect(await codeOf(store.remove('a'))).toBe('store_unreachable');
    expect(await store.read('a')).toBeDefined();
    const written = store.insert('b', session('ada'));
    holder.exec('COMMIT');
    await written;
    expect(await store.read('b')).toBeDefined();
    holder.close();
    await store.close();
  });
});

describe('a session file', () => {
  // A file system of 2 MB if the test may mount one, else a limit on file sizes.
  test('on a full disk refuses writes with store_full, and stays readable', async () => {
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
      expect(job.lines).toEqual(['store_full readable', 'removed as told']);
    } finally {
      if (limit === '') execFileSync('umount', [disk]);
    }
  });

  test('that is read-only is refused with store_readonly when it is opened', async () => {
    const file = newFile();
    await (await openEmbeddedStore({ file })).close();
    chmodSync(file, 0o444);
    const job = run('open-as-nobody', file, 'a');
    await job.ended;
    expect(job.errors()).toContain('StoreError');
    expect(job.errors()).toContain('store_readonly');
  });

  // Each makes a place for a session file that cannot be used, and returns its path.
  test.each<[string, () => string | Promise<string>, string, (file: string) => string]>([
    [
      'in a folder that this user may not write',
      () => {
        const inner = join(folder, 'closed');
        mkdirSync(inner, { mode: 0o555 });
        return join(inner, 'sessions.db');
      },
      'store_readonly',
      (file) => `cannot be written: look at ${dirname(file)}`,
    ],
    [
      'whose place a folder has taken',
      () => {
        const inner = join(folder, 'folder.db');
        mkdirSync(inner);
        return inner;
      },
      'store_unreachable',
      () => 'is a folder',
    ],
    [
      'below a file',
      () => {
        const inner = newFile();
        writeFileSync(inner, '');
        return join(inner, 'sessions.db');
      },
      'store_unreachable',
      (file) => `has a file where its folder should be: look at ${dirname(file)}`,
    ],
    [
      'whose log belongs to another user',
      async () => {
        const opened = newFile();
        const inner = join(folder, 'shared', 'sessions.db');
        await (await openEmbeddedStore({ file: opened })).close();
        // libsql deletes the logs of a closed file only once its statements are collected.
        mkdirSync(dirname(inner));
        copyFileSync(opened, inner);
        chmodSync(dirname(inner), 0o777);
        chmodSync(inner, 0o666);
        writeFileSync(`${inner}-wal`, '', { mode: 0o000 });
        return inner;
      },
      'store_unreachable',
      (file) => `cannot be opened: look at ${file}-wal`,
    ],
    [
      'that is writable in a folder that is not',
      async () => {
        const inner = join(folder, 'locked', 'sessions.db');
        await (await openEmbeddedStore({ file: inner })).close();
        for (const log of ['-wal', '-shm']) rmSync(`${inner}${log}`, { force: true });
        chmodSync(inner, 0o666);
        chmodSync(dirname(inner), 0o555);
        return inner;
      },
      // SQLITE_READONLY_DIRECTORY, which libsql does not name.
      'store_readonly',
      (file) => `cannot be written: look at ${dirname(file)}`,
    ],
  ])('%s is refused by name, with what is in the way', async (_, place, code, reason) => {
    const file = await place();
    const job = run('open-as-nobody', file, 'a');
    await job.ended;
    expect(job.errors()).toContain(`the session file ${file} ${reason(file)}`);
    expect(job.errors()).toContain(code);
  });

  test('responds to a ping only if it can be written', async () => {
    const file = newFile();
    const store = await openEmbeddedStore({ file });
    await store.ping();
    const { default: Database } = await import('libsql');
    const holder = new Database(file);
    holder.exec('BEGIN IMMEDIATE');
    passMonotonic(3_000);
    expect(await codeOf(store.ping())).toBe('store_unreachable');
    holder.close();
    passMonotonic(3_000);
    await store.ping();
    expect(await store.keysBy('person', 'ada')).toEqual([]);
    await store.close();
  });

  // libsql calls a code that it has no name for UNKNOWN_SQLITE_ERROR_<number>.
  test.each([
    [8_202, 'store_failed', 'the disk is failing'],
    [8 + 256 * 40, 'store_readonly', 'cannot be written'],
    [13 + 256 * 40, 'store_full', 'has no room to grow'],
    [26 + 256 * 40, 'store_damaged', 'is not a database'],
    [99, 'store_failed', 'failed'],
  ])(
    'with the unnamed result code %i rejects by its primary code',
    async (rawCode, code, reason) => {
      const { SqliteError } = (await import('libsql')).default;
      const opening = openSqlite(newFile(), () => {
        const error = new SqliteError('unnamed', `UNKNOWN_SQLITE_ERROR_${rawCode}`, rawCode);
        throw error as Error;
      });
      expect(await codeOf(opening)).toBe(code);
      await expect(opening).rejects.toThrow(reason);
    },
  );

  test('that is not a database is named and kept, and is created anew once moved aside', async () => {
    const file = newFile();
    const content = 'this is not a database, but the owner may want it back '.repeat(500);
    writeFileSync(file, content);
    const opening = openEmbeddedStore({ file });
    expect(await codeOf(opening)).toBe('store_damaged');
    await expect(opening).rejects.toThrow(`${file} is not a database; move it aside`);
    expect(readFileSync(file, 'utf8')).toBe(content);
    rmSync(file);
    const store = await openEmbeddedStore({ file });
    await store.insert('a', session('ada'));
    await store.close();
  });

  test('with overwritten pages rejects with store_damaged, and is kept', async () => {
    const file = newFile();
    const first = await openEmbeddedStore({ file });
    for (let i = 0; i < 200; i += 1) await first.insert(`${i}`, session('ada'));
    await first.close();
    const content = readFileSync(file);
    content.fill(0xa5, 8192 * 2);
    writeFileSync(file, content);
    const store = await openEmbeddedStore({ file });
    expect(await codeOf(store.read('7'))).toBe('store_damaged');
    expect(await codeOf(store.insert('new', session('ada')))).toBe('store_damaged');
    await store.close();
    expect(readFileSync(file).subarray(8192 * 2)).toEqual(content.subarray(8192 * 2));
  });

  test('with unknown tables is refused with store_damaged', async () => {
    const file = newFile();
    const { default: Database } = await import('libsql');
    const db = new Database(file);
    db.exec('CREATE TABLE sessions (sid TEXT, sess TEXT, expires_at INTEGER)');
    db.close();
    expect(await codeOf(openEmbeddedStore({ file }))).toBe('store_damaged');
  });

  test('of a later version is refused with store_damaged, and stays unchanged', async () => {
    const file = newFile();
    const { default: Database } = await import('libsql');
    const db = new Database(file);
    db.exec('CREATE TABLE sessions (key TEXT); PRAGMA user_version = 9');
    expect(await codeOf(openEmbeddedStore({ file }))).toBe('store_damaged');
    expect(db.prepare('PRAGMA user_version').raw().get([])).toEqual([9]);
    const columns = db.prepare("SELECT name FROM pragma_table_info('sessions')").raw().all([]);
    expect(columns).toEqual([['key']]);
    db.close();
  });
});

// The doctor finds planted faults in the session store: the embedded store's file, and Redis.
import { chmod, copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createSilentServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { freePort, startTestApp, type TestApp } from '../../support/app/app.ts';
import { diagnose, runDoctorAs } from '../../support/app/doctor.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/store.ts';
import { startRedis, type TestRedis } from '../../support/store/redis.ts';
import { withParts } from '../../support/machine/with-parts.ts';

let app: TestApp;
let folder: string;

beforeAll(async () => {
  app = await startTestApp();
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

const find = (changed: Record<string, string>) => diagnose({ ...app.env, ...changed });

describe('the session file', () => {
  it.each([
    ['a folder', '', /is a folder/, /^SESSION_DB=/],
    [
      'in a file instead of a folder',
      'text/sessions.db',
      /text is a file, not a folder/,
      /^SESSION_DB=/,
    ],
    ['not a database', 'text', /text is not a database/, /move it aside/],
  ])('is a problem when it is %s', async (_, name, said, change) => {
    await writeFile(join(folder, 'text'), 'This is text, and more than sixteen bytes.');
    const { found, problems } = await find({ SESSION_DB: join(folder, name) });
    expect(found('session file')?.found).toMatch(said);
    expect(found('session file')?.change).toMatch(change);
    expect(problems).toEqual(['session file']);
  });

  it('is no problem when neither it nor its folder exists yet', async () => {
    const { found, problems } = await find({
      SESSION_DB: join(folder, 'new', 'er', 'sessions.db'),
    });
    expect(found('session file')?.found).toMatch(/will be created$/);
    expect(problems).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0).each(['-wal', '-shm'])(
    'is a problem when its %s belongs to another user',
    async (suffix) => {
      const shared = await mkdtemp(join(tmpdir(), 'doctor-shared-'));
      onTestFinished(() => rm(shared, { recursive: true, force: true }));
      const opened = join(shared, 'opened.db');
      const file = join(shared, 'sessions.db');
      await (await openEmbeddedStore({ file: opened })).close();
      // libsql maps a -shm into memory until its statements are collected: a signal ends the process if
      // that file is cut meanwhile.
      await copyFile(opened, file);
      for (const log of [`${file}-wal`, `${file}-shm`]) await writeFile(log, '');
      for (const place of [shared, file, `${file}-wal`, `${file}-shm`]) await chmod(place, 0o777);
      await chmod(`${file}${suffix}`, 0o600);
      const { code, out } = await runDoctorAs({ uid: 65_534 }, { ...app.env, SESSION_DB: file });
      expect(out).toMatch(/^problem {2}session file .*look at .*$/m);
      expect(out).toContain(`look at ${file}${suffix}\n`);
      expect(code).toBe(1);
    },
  );

  it.runIf(process.getuid?.() !== 0)(
    'is a problem when it is read-only for this user',
    async () => {
      const file = join(folder, 'locked.db');
      await writeFile(file, '');
      await chmod(file, 0o400);
      expect((await find({ SESSION_DB: file })).found('session file')?.found).toMatch(
        /not writable/,
      );
    },
  );
});

withParts('redis-server').describe('Redis', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
    await redis.command('CONFIG SET requirepass right-password-of-redis');
  });
  afterAll(() => redis.close());

  const at = (userinfo: string) => ({ REDIS_URL: redis.url.replace('//', `//${userinfo}`) });

  it('is ok when it responds', async () => {
    const { found } = await find(at(':right-password-of-redis@'));
    expect(found('Redis')).toMatchObject({ status: 'ok', found: expect.stringMatching(/\d ms$/) });
  });

  it.each([
    ['a wrong password', () => at(':wrong-password-of-redis@'), /refuses/, /password$/],
    ['no password', () => at(''), /refuses/, /password$/],
    [
      'the wrong port',
      async () => ({ REDIS_URL: `redis://localhost:${await freePort()}` }),
      /is listening/,
      /port/,
    ],
    [
      'an unknown host',
      () => ({ REDIS_URL: 'redis://nowhere.invalid' }),
      /host name is unknown/,
      /host/,
    ],
    [
      'a database that it does not have',
      () => ({ REDIS_URL: `${at(':right-password-of-redis@').REDIS_URL}/99` }),
      /has no database of this number/,
      /lower/,
    ],
    [
      'TLS that it does not support',
      () => ({ REDIS_URL: at('').REDIS_URL.replace('redis', 'rediss') }),
      /./,
      /TLS/,
    ],
  ])('is a problem with %s', async (_, changed, said, change) => {
    const { found, problems } = await find(await changed());
    expect(found('Redis')?.found).toMatch(said);
    expect(found('Redis')?.change).toMatch(/REDIS_URL/);
    expect(found('Redis')?.change).toMatch(change);
    expect(problems).toEqual(['Redis']);
  });

  it.each([
    ['is a replica', [], 'REPLICAOF 127.0.0.1 1', '', 'READONLY', /primary/],
    ['has no memory left', [], 'CONFIG SET maxmemory 1', '', 'OOM', /maxmemory/],
    [
      'gives the user no scripts',
      [],
      'ACL SETUSER app on >pw ~* +@all -@scripting',
      'app:pw@',
      'NOPERM',
      /ACL/,
    ],
    [
      'gives the user no keys',
      [],
      'ACL SETUSER app on >pw ~other:* +@all',
      'app:pw@',
      'NOPERM',
      /ACL/,
    ],
    ['has no slots', ['--cluster-enabled', 'yes'], 'PING', '', 'CLUSTERDOWN', /slot/],
  ])('is a problem if it %s', async (_, args, command, userinfo, reply, change) => {
    const server = await startRedis({ args });
    onTestFinished(() => server.close());
    await server.command(command);
    const { found, problems } = await find({
      REDIS_URL: server.url.replace('//', `//${userinfo}`),
    });
    expect(found('Redis')?.found).toContain(`responds, but refuses what sign-in needs (${reply})`);
    expect(found('Redis')?.change).toMatch(change);
    expect(problems).toEqual(['Redis']);
  });

  it('leaves nothing behind', async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    await find({ REDIS_URL: server.url });
    expect(await server.command('DBSIZE')).toBe(':0\r\n');
  });

  it('is a problem after some seconds of silence', async () => {
    const silent = createSilentServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const startedAt = performance.now();
    const { found } = await find({ REDIS_URL: `redis://127.0.0.1:${port}` });
    expect(found('Redis')?.status).toBe('problem');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    silent.close();
  });
});

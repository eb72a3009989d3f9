// The doctor names what is wrong with PostgreSQL.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, startTestApp, type TestApp } from '../support/app/app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { isMissing } from '../support/machine/parts.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startPostgres, type TestPostgres } from '../support/store/postgres.ts';

const { describe } = withParts('Postgres');

let app: TestApp;
let postgres: TestPostgres;
beforeAll(async () => {
  if (isMissing('Postgres')) return;
  app = await startTestApp();
  postgres = await startPostgres();
  await postgres.sql("CREATE ROLE guarded LOGIN PASSWORD 'the right one'");
});
afterAll(async () => {
  await app?.close();
  await postgres?.close();
});

const find = (url: string) => diagnose({ ...app.env, DATABASE_URL: url });

describe('PostgreSQL', () => {
  it('is ok when it accepts writes, and keeps none of them', async () => {
    const { found, problems } = await find(postgres.url);
    expect(found('PostgreSQL')?.found).toMatch(/ responds in [\d.]+ ms$/);
    expect(problems).toEqual([]);
    expect(await postgres.sql('SELECT key FROM authkit_sessions')).toEqual([]);
  });

  it.each([
    [
      'the wrong port',
      async (url: string) => url.replace(/:\d+/, `:${await freePort()}`),
      /nothing is listening/,
      /^start it, or DATABASE_URL/,
    ],
    [
      'an unknown host',
      (url: string) => url.replace('127.0.0.1', 'nowhere.invalid'),
      /host name/,
      /./,
    ],
    [
      'an unknown database',
      (url: string) => `${url}_else`,
      /no such database \(3D000\)/,
      /create it/,
    ],
    [
      'an unknown user',
      (url: string) => url.replace('app@', 'stranger:planted-password@'),
      /\(28000\)/,
      /right user/,
    ],
    [
      'a wrong password',
      (url: string) => url.replace('app@', 'guarded:wrong-password-of-postgres@'),
      /refuses the user or password/,
      /password$/,
    ],
    [
      'no password',
      (url: string) => url.replace('app@', 'guarded@'),
      /asks for a password/,
      /password$/,
    ],
    [
      'TLS that it does not have',
      (url: string) => `${url}?sslmode=require`,
      /does not speak TLS/,
      /sslmode/,
    ],
  ])('is a problem with %s', async (_, change, said, advice) => {
    const { found, problems } = await find(await change(postgres.url));
    expect(found('PostgreSQL')?.found).toMatch(said);
    expect(found('PostgreSQL')?.change).toMatch(advice);
    expect(problems).toEqual(['PostgreSQL']);
  });

  it.each([
    [
      'is read-only',
      'ALTER ROLE limited SET default_transaction_read_only = on',
      '25006',
      /primary/,
    ],
    [
      'lets the user write nothing',
      'REVOKE INSERT ON authkit_sessions FROM limited',
      '42501',
      /GRANT/,
    ],
  ])('is a problem if it %s', async (_, sql, state, change) => {
    await find(postgres.url);
    await postgres.sql(`
      CREATE ROLE limited LOGIN; GRANT ALL ON authkit_sessions TO limited; ${sql}`);
    const { found, problems } = await find(postgres.url.replace('app@', 'limited@'));
    expect(found('PostgreSQL')?.found).toContain(`(${state})`);
    expect(found('PostgreSQL')?.change).toMatch(change);
    expect(problems).toEqual(['PostgreSQL']);
    await postgres.sql('DROP OWNED BY limited; DROP ROLE limited');
  });

  it('is a problem when it accepts connections and is silent', async () => {
    await postgres.pause();
    const startedAt = performance.now();
    const { found } = await find(postgres.url).finally(() => postgres.resume());
    expect(found('PostgreSQL')?.status).toBe('problem');
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });
});

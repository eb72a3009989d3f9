// The process as `npm start` runs it, in an empty folder: its settings, output and exit codes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { compiled } from '../support/machine/compiled.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startRedis } from '../support/store/redis.ts';

interface Started {
  child: ChildProcess;
  stdout: string;
  stderr: string;
  exitCode: Promise<number | null>;
}

const authKit = { AUTHKIT_ISSUER: 'http://127.0.0.1:9', OAUTH_APP_CLIENT_ID: 'client_01' };

let folder: string;
const running: Started[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'start-'));
});
afterEach(async () => {
  for (const { child, exitCode } of running.splice(0)) {
    child.kill('SIGKILL');
    await exitCode;
  }
  await rm(folder, { recursive: true, force: true });
});

function start(env: Record<string, string>): Started {
  const { PATH = '' } = process.env;
  const child = spawn(process.execPath, [compiled('src/server.ts')], {
    cwd: folder,
    env: { PATH, ...env },
  });
  const exitCode = once(child, 'exit').then(([code]: (number | null)[]) => code ?? null);
  const started: Started = { child, stdout: '', stderr: '', exitCode };
  child.stdout.on('data', (chunk: Buffer) => (started.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (started.stderr += chunk.toString()));
  running.push(started);
  return started;
}

async function startedAt(port: number, env: Record<string, string> = {}): Promise<Started> {
  const started = start({ PORT: String(port), ...env });
  await vi.waitUntil(() => started.stdout.includes('Open ') || started.stderr, { timeout: 60_000 });
  return started;
}

/** The printed machine credentials get a token from the printed issuer that the API accepts. */
async function expectMachine(stdout: string, url: string): Promise<void> {
  const [, issuer = ''] = /Issuer {8}(\S+) /.exec(stdout) ?? [];
  const [, client_id = '', client_secret = ''] =
    /M2M_CLIENT_ID=(\S+) M2M_CLIENT_SECRET=(\S+)\n/.exec(stdout) ?? [];
  const form = { grant_type: 'client_credentials', client_id, client_secret };
  const body = new URLSearchParams(form);
  const response = await fetch(`${issuer}/oauth2/token`, { method: 'POST', body });
  const { access_token } = (await response.json()) as { access_token: string };
  const headers = { authorization: `Bearer ${access_token}` };
  expect((await fetch(`${url}/api/me`, { headers })).status).toBe(200);
}

describe('the app without settings in an empty folder', () => {
  it('prints its URL and its users, signs in with two clicks, and keeps sessions across restarts', async () => {
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const first = await startedAt(port);
    expect(first.stdout).toContain(`Open ${url}\n`);
    expect(first.stdout).toMatch(/Sign in as Ada Lindqvist \(no organization\), Bruno Okafor/);
    expect(first.stdout).toMatch(/Application {3}client_\w+, a confidential application/);
    expect(first.stdout).toContain(`Redirect URI  ${url}/callback`);
    await expectMachine(first.stdout, url);

    const browser = new Browser();
    await browser.open(url);
    expect(browser.page?.body).toContain('href="/login?return_to=%2F"');
    await vi.waitUntil(async () => (await browser.fetch(`${url}/readyz`)).status === 200);
    await browser.open('/login?return_to=%2F');
    await browser.follow(await browser.press('Bruno'));
    expect(browser.page?.body).toContain('Hello, <bdi>Bruno Okafor</bdi>');

    first.child.kill('SIGTERM');
    expect(await first.exitCode).toBe(0);
    await startedAt(port);
    expect((await browser.open(`${url}/profile`)).body).toContain('bruno.okafor@example.com');
  });

  it('uses another port for the local AuthKit when its own is taken, and says so', async () => {
    const squatter = createServer().listen(4000, '127.0.0.1');
    // On an error the port is already taken, which serves as well.
    await once(squatter, 'listening').catch(() => undefined);
    const { stdout } = await startedAt(await freePort());
    squatter.close();
    expect(stdout).toMatch(
      /Issuer {8}http:\/\/localhost:(?!4000 )\d+ {2}\(the bundled local AuthKit; port 4000 is taken/,
    );
  });

  it('never starts a local AuthKit in production', async () => {
    const started = start({ NODE_ENV: 'production' });
    expect(await started.exitCode).toBe(1);
    expect(started.stdout).toBe('');
    expect(started.stderr).toContain(
      '  AUTHKIT_ISSUER: is not set; set your issuer (the local AuthKit is for development only)\n',
    );
  });
});

describe('the start', () => {
  it('reports all wrong settings at once, one line each, and exits with 1', async () => {
    const started = start({ PORT: '3000x', LOG_LEVEL: 'loud', REDIS_URL: 'secret-redis' });
    expect(await started.exitCode).toBe(1);
    expect(started.stdout).toBe('');
    expect(started.stderr.split('\n')).toEqual([
      'The app cannot start:',
      '  PORT: is not a port; set a whole number from 0 to 65535',
      '  REDIS_URL: is not a Redis URL; set redis:// or rediss://',
      '  LOG_LEVEL: is not a log level; set fatal, error, warn, info, debug, trace or silent',
      '',
    ]);
  });

  it.each([
    ['UTF-16', Buffer.from('\uFEFFPORT=1\n', 'utf16le'), 'is UTF-16; save it as UTF-8'],
    [
      'a folder',
      undefined,
      'cannot be read (EISDIR); make it a file that the user of this process may read',
    ],
  ])('refuses a .env that is %s', async (_, content, problem) => {
    if (content === undefined) await mkdir(join(folder, '.env'));
    else await writeFile(join(folder, '.env'), content);
    const started = start({});
    expect(await started.exitCode).toBe(1);
    expect(started.stderr).toBe(`The app cannot start:\n  .env: ${problem}\n`);
  });

  it('reads .env, which the environment overrides', async () => {
    const port = await freePort();
    const file = `PORT=1\nAUTHKIT_ISSUER=http://127.0.0.1:9\nOAUTH_APP_CLIENT_ID=client_dotenv\n`;
    await writeFile(join(folder, '.env'), file);
    const { stdout } = await startedAt(port, { OAUTH_APP_CLIENT_SECRET: 'never-shown-secret' });
    expect(stdout).toContain(`Open http://localhost:${port}\n`);
    expect(stdout).toContain('client_dotenv, a confidential application (client secret)');
    expect(stdout).not.toContain('never-shown');
  });

  it('announces a Public application when there is no client secret', async () => {
    const { stdout } = await startedAt(await freePort(), authKit);
    expect(stdout).toContain('client_01, a Public application (PKCE, no secret)');
    expect(stdout).toContain('Warning       API_AUDIENCE: not set');
  });
});

describe('a failed start', () => {
  withParts('redis-server').it(
    'names a database that Redis does not have in one sentence, and exits with 1',
    async () => {
      const redis = await startRedis();
      onTestFinished(() => redis.close());
      const url = new URL('/99', redis.url).href.replace('//', '//:password-of-the-test@');
      await redis.command('CONFIG SET requirepass password-of-the-test');
      const started = start({ ...authKit, REDIS_URL: url });
      expect(await started.exitCode).toBe(1);
      expect(started.stderr).toBe(
        'The app cannot start:\n  REDIS_URL: Redis has no database of this number; set a lower one, as in redis://host:6379/1\n',
      );
      expect(started.stdout).not.toContain('password-of-the-test');
    },
  );

  it('names a port in use in one sentence, and exits with 1', async () => {
    const port = await freePort();
    const server = createServer().listen(port);
    await once(server, 'listening');
    const started = start({ PORT: String(port), ...authKit });
    expect(await started.exitCode).toBe(1);
    expect(started.stderr).toBe(`The app cannot start:\n  PORT: ${port} is in use; set another\n`);
    server.close();
  });

  it('names a foreign session file in one sentence, and exits with 1', async () => {
    await writeFile(
      join(folder, 'notes.txt'),
      'not a database, but the notes of a user\n'.repeat(40),
    );
    const started = start({ PORT: '0', SESSION_DB: 'notes.txt', ...authKit });
    expect(await started.exitCode).toBe(1);
    expect(started.stderr).toMatch(/^The app cannot start:\n {2}[^\n]+notes\.txt[^\n]+\n$/);
  });
});

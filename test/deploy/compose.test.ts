// deploy/compose.yaml without a container engine: the schema of the Compose specification, the
// settings that reach the app, what each container may do, and the command of Redis, which is run.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DCLinter } from 'dclint';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parse } from 'yaml';
import { parseConfig, settings } from '../../src/config/config.ts';
import { freePort } from '../support/app/app.ts';
import { withParts } from '../support/machine/with-parts.ts';

const run = promisify(execFile);

interface Service {
  environment?: Record<string, string>;
  command?: string[];
  networks?: string[];
  healthcheck?: { test: string[] };
  [key: string]: unknown;
}

interface ComposeFile {
  services: Record<'app-1' | 'app-2' | 'redis' | 'proxy', Service>;
  networks: Record<string, { internal?: boolean }>;
  [key: string]: unknown;
}

// The package's own types do not resolve under Node's rules.
interface Message {
  rule: string;
  message: string;
}

const text = await readFile('deploy/compose.yaml', 'utf8');
const compose = parse(text, { merge: true }) as ComposeFile;
const { services } = compose;
const appEnvironment = services['app-1'].environment ?? {};

/** What the schema refuses; the linter's rules of style are not ours. */
function problemsIn(file: string): string[] {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
  const [result] = linter.lintFiles([file], false) as { messages: Message[] }[];
  const refused = result?.messages.filter(({ rule }) => rule.startsWith('invalid-'));
  return (refused ?? []).map(({ message }) => message);
}

describe('the file', () => {
  it('has the form that the Compose specification gives', () => {
    expect(problemsIn('deploy/compose.yaml')).toEqual([]);
  });

  it.each([
    ['an unknown key of a service', 'cap_drop:', 'cap_drops:'],
    ['an unknown key at the top', '\nvolumes:', '\nvolume:'],
    ['a wrong type', 'read_only: true', 'read_only: [true]'],
    ['an unknown key of a network', 'internal: true', 'intern: true'],
    ['an unknown condition', 'condition: service_healthy', 'condition: healthy'],
    ['a list where one value belongs', 'user: redis', 'user: [redis]'],
    ['an unknown key of a health check', 'interval: 5s', 'every: 5s'],
  ])('would not pass with %s', async (_fault, from, to) => {
    expect(text).toContain(from);
    const folder = await mkdtemp(join(tmpdir(), 'compose-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'compose.yaml');
    await writeFile(file, text.replace(from, to));
    expect(problemsIn(file)).toEqual([expect.stringMatching(/^Compose|^Invalid YAML/)]);
  });
});

describe('the app', () => {
  /** What the image or this file decides: a value from .env would not fit the containers. */
  const FIXED = ['DATABASE_URL', 'NODE_ENV', 'PORT', 'SESSION_DB'];

  it('gets every setting that there is, except those that the image decides', () => {
    const expected = Object.keys(settings.shape).filter((name) => !FIXED.includes(name));
    expect(Object.keys(appEnvironment).toSorted()).toEqual(expected.toSorted());
    expect(services['app-2'].environment).toEqual(appEnvironment);
  });

  it('gets each from the variable of the same name, required where production requires it', () => {
    const composed = ['REDIS_URL', 'TRUST_PROXY'];
    const required = ['AUTHKIT_ISSUER', 'OAUTH_APP_CLIENT_ID', 'BASE_URL', 'SESSION_SECRET'];
    for (const [name, value] of Object.entries(appEnvironment)) {
      if (composed.includes(name)) continue;
      expect(value).toMatch(
        required.includes(name) ? `\${${name}:?` : new RegExp(`^\\$\\{${name}:-\\}$`),
      );
    }
    expect(appEnvironment['REDIS_URL']).toMatch(/^redis:\/\/:\$\{REDIS_PASSWORD:\?[^}]+\}@redis/);
  });

  it('starts with a password made as docs/configuration.md says', () => {
    const REDIS_PASSWORD = randomBytes(32).toString('base64url');
    const redis = appEnvironment['REDIS_URL']?.replace(/\$\{[^}]+\}/, REDIS_PASSWORD) ?? '';
    const { redisUrl = '' } = parseConfig({ REDIS_URL: redis });
    expect(new URL(redisUrl)).toMatchObject({ password: REDIS_PASSWORD, host: 'redis:6379' });
  });

  it('is killed only after its grace period and the time for requests in flight', async () => {
    const { shutdownGraceSeconds } = parseConfig({
      NODE_ENV: 'production',
      AUTHKIT_ISSUER: 'https://forum.authkit.app',
      OAUTH_APP_CLIENT_ID: 'client_01',
      BASE_URL: 'https://forum.example.com',
      SESSION_SECRET: randomBytes(32).toString('base64url'),
    });
    const shutdown = await readFile('src/process/shutdown.ts', 'utf8');
    const drainSeconds = Number(/MAX_DRAIN_MS = (\d+)_000;/.exec(shutdown)?.[1]);
    const stopSeconds = parseInt(String(services['app-1']['stop_grace_period']), 10);
    expect(stopSeconds).toBeGreaterThan(shutdownGraceSeconds + drainSeconds);
  });
});

describe('every container', () => {
  it.each(Object.entries(services))('%s has a read-only root and no capabilities', (_, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      restart: 'unless-stopped',
    });
  });

  it('has no capability added, except the proxy, which listens on ports 80 and 443', () => {
    const added = Object.entries(services).flatMap(([name, { cap_add }]) =>
      cap_add === undefined ? [] : [[name, cap_add]],
    );
    expect(added).toEqual([['proxy', ['NET_BIND_SERVICE']]]);
    const published = Object.keys(services).filter((name) => 'ports' in services[name as 'proxy']);
    expect(published).toEqual(['proxy']);
  });

  it('reaches only what it needs: Redis the instances alone, the proxy not Redis', () => {
    expect(compose.networks).toEqual({ store: { internal: true } });
    expect(services.redis.networks).toEqual(['store']);
    expect(services['app-1'].networks).toEqual(['default', 'store']);
    expect(services['app-2'].networks).toEqual(['default', 'store']);
    expect(services.proxy.networks).toBeUndefined();
  });
});

// Compose writes a dollar sign as two.
const words = (list: string[] = []) => list.map((word) => word.replaceAll('$$', '$'));

withParts('redis-server').describe('the command of Redis', () => {
  const PASSWORD = randomBytes(32).toString('base64url');
  let folder: string;
  let port: number;
  let server: ChildProcess;

  const [, ...check] = words(services.redis.healthcheck?.test);
  /** The health check with this password, on the port of the test. */
  const isHealthy = async (password: string) => {
    const [file = '', ...args] = check;
    const env = { PATH: process.env['PATH'], REDISCLI_AUTH: password };
    return run(file, ['-p', `${port}`, ...args], { env }).then(
      () => true,
      () => false,
    );
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'compose-'));
    port = await freePort();
    const [file = '', ...args] = words(services.redis.command).map((word) =>
      word.replace('redis-server -', `redis-server - --port ${port}`),
    );
    const env = { PATH: process.env['PATH'], REDISCLI_AUTH: PASSWORD };
    server = spawn(file, args, { cwd: folder, env });
    await vi.waitUntil(() => isHealthy(PASSWORD));
  });
  afterAll(async () => {
    server.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  it('is healthy with the password only', async () => {
    expect(await isHealthy('')).toBe(false);
    expect(await isHealthy('another')).toBe(false);
  });

  it('keeps what it stores, and evicts nothing', async () => {
    const env = { PATH: process.env['PATH'], REDISCLI_AUTH: PASSWORD };
    const ask = ['-p', `${port}`, 'CONFIG', 'GET', 'appendonly', 'maxmemory-policy'];
    const { stdout } = await run('redis-cli', ask, { env });
    expect(stdout).toContain('appendonly\nyes\n');
    expect(stdout).toContain('maxmemory-policy\nnoeviction\n');
  });

  it.skipIf(process.platform !== 'linux')('shows the password to nobody in ps', async () => {
    const commandLine = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
    expect(commandLine).toMatch(/^redis-server/);
    expect(commandLine).not.toContain(PASSWORD);
    expect(JSON.stringify([services.redis.command, check])).not.toContain('REDIS_PASSWORD');
  });

  it('gets SIGTERM itself, not the shell, and ends with 0', async () => {
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});

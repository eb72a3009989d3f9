// The command-line example and the file of its tokens: where it cannot be written, shared, or read.
import * as fs from 'node:fs/promises';
import type { IncomingMessage, RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, expect, vi } from 'vitest';
import { TokenFile } from '../../examples/cli/token-file.ts';
import { test, type CliWorld } from '../support/app/cli-world.ts';
import { CLIENT_ID } from '../support/authkit/sign-in-issuer.ts';
import type { Run } from '../support/app/examples.ts';

const isRoot = process.getuid?.() === 0;
/** A user without rights and without an account. */
const nobody = isRoot ? { uid: 54_321 } : {};

const stored = async ({ tokenFile }: CliWorld) => JSON.parse(await fs.readFile(tokenFile, 'utf8'));

const tokensOf = ({ tokenFile, issuer }: CliWorld) =>
  new TokenFile(tokenFile, new URL(issuer.url), CLIENT_ID);

/** Makes the next run refresh. */
async function expire(world: CliWorld) {
  await fs.writeFile(world.tokenFile, JSON.stringify({ ...(await stored(world)), expiresAt: 1 }));
}

const patient = { timeout: 60_000 };
const lockOf = ({ tokenFile }: CliWorld) => `${tokenFile}.lock`;
const owners = (world: CliWorld) => fs.readdir(lockOf(world)).catch(() => []);

/** Signs in and makes the next refreshes wait; returns their requests. */
async function holdRefreshes(world: CliWorld, count: number) {
  await world.login();
  await expire(world);
  const requests: IncomingMessage[] = [];
  const hold: RequestListener = (req) => void requests.push(req);
  world.respondOnce(...Array.from({ length: count }, () => hold));
  return requests;
}

/** The program ends before it sends the user to AuthKit. */
async function expectRefused(world: CliWorld, cli: Run, reason: string) {
  const { code, stdout, stderr } = await cli.ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^The token file \/\S+ cannot be used \(.+\)\. Set CLI_TOKEN_FILE or/);
  expect(stderr).toContain(reason);
  expect(world.issuer.authorizations).toEqual([]);
}

describe('login, before the user signs in,', () => {
  test.concurrent('refuses a folder that is a file', async ({ world }) => {
    await fs.writeFile(join(world.folder, 'cli'), '');
    await expectRefused(world, world.run(['login']), 'EEXIST');
    const deeper = { CLI_TOKEN_FILE: join(world.folder, 'cli', 'deep', 'tokens.json') };
    await expectRefused(world, world.run(['login'], deeper), 'ENOTDIR');
  });

  test.concurrent('refuses a file that is a folder', async ({ world }) => {
    await fs.mkdir(world.tokenFile, { recursive: true });
    await expectRefused(world, world.run(['login', '--device']), 'EISDIR');
    expect(await world.files()).toEqual(['tokens.json']);
    expect(world.issuer.hits.get('/oauth2/device_authorization')).toBeUndefined();
  });

  test.concurrent('refuses a folder without permission to write', async ({ world }) => {
    await fs.mkdir(join(world.folder, 'cli'));
    await fs.chmod(join(world.folder, 'cli'), 0o555);
    await fs.chmod(world.folder, 0o755);
    await expectRefused(world, world.run(['login'], {}, nobody), 'EACCES');
    expect(await world.files()).toEqual([]);
  });

  test.runIf(isRoot)('refuses a user without a home folder', async ({ world }) => {
    const env = { CLI_TOKEN_FILE: '', HOME: '/' };
    const { code, stderr } = await world.run(['login'], env, nobody).ended;
    const message = 'You have no home folder for the tokens: set CLI_TOKEN_FILE or --tokens.\n';
    expect({ code, stderr }).toEqual({ code: 2, stderr: message });
  });
});

describe('tokens that cannot be stored', () => {
  test.concurrent('after a login are given back to AuthKit', async ({ world }) => {
    const cli = world.run(['login'], {}, { shell: 'ulimit -f 0' });
    const [, address = ''] = await cli.saw(/^ {2}(http\S+)$/m);
    expect(await (await fetch(address)).text()).toContain('Sign-in failed');
    const { code, stderr } = await cli.ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/\(EFBIG.*The new tokens are lost; at AuthKit, they were revoked\.\n$/);
    expect(world.issuer.hits.get('/oauth2/revoke')).toBe(1);
    expect(await world.files()).toEqual([]);
  });

  test.concurrent('nor given back are reported as valid', async ({ world }) => {
    world.issuer.respondAt('/oauth2/revoke', (req) => void req.socket.destroy());
    const { code, stderr } = await world.login({}, { shell: 'ulimit -f 0' });
    expect(code).toBe(1);
    expect(stderr).toContain('at AuthKit, the refresh token works until it expires.');
  });

  test.concurrent('are not requested by a refresh', async ({ world }) => {
    await world.login();
    await expire(world);
    const before = await stored(world);
    const { code, stderr } = await world.run(['whoami'], {}, { shell: 'ulimit -f 0' }).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('EFBIG');
    expect(world.tokenRequests()).toBe(1);
    expect(await stored(world)).toEqual(before);
    expect(await world.files()).toEqual(['tokens.json']);
    expect((await world.run(['whoami']).ended).code).toBe(0);
  });
});

describe('the lock', () => {
  test.concurrent('of a killed run does not stop the next one', async ({ world }) => {
    const requests = await holdRefreshes(world, 1);
    const killed = world.run(['whoami']);
    await vi.waitFor(() => expect(requests).toHaveLength(1), patient);
    killed.kill('SIGKILL');
    await killed.ended;
    expect(await world.files()).toContain('tokens.json.lock');
    await fs.writeFile(`${world.tokenFile}.new`, 'half a');
    expect((await world.run(['whoami']).ended).code).toBe(0);
    expect(await world.files()).toEqual(['tokens.json']);
  });

  test.concurrent('stays with the run that took it over', async ({ world }) => {
    const requests = await holdRefreshes(world, 2);
    const early = world.run(['whoami']);
    await vi.waitFor(() => expect(requests).toHaveLength(1), patient);
    const [first = ''] = await owners(world);
    await fs.utimes(join(lockOf(world), first), 0, 0);
    const late = world.run(['whoami']);
    await vi.waitFor(() => expect(requests).toHaveLength(2), patient);
    const [second] = await owners(world);
    expect(second).not.toBe(first);
    requests[0]?.socket.destroy();
    expect((await early.ended).stderr).toBe(
      'AuthKit could not be reached. If HTTPS_PROXY is set, check that proxy.\n',
    );
    expect(await owners(world)).toEqual([second]);
    requests[1]?.socket.destroy();
    await late.ended;
    expect(await world.files()).toEqual(['tokens.json']);
  });

  test.concurrent('has one owner at a time, also when many take over a stale one', async ({
    world,
  }) => {
    await fs.mkdir(lockOf(world), { recursive: true });
    const dead = join(lockOf(world), '1@another-machine@dead');
    await fs.writeFile(dead, '');
    await fs.utimes(dead, 0, 0);
    let inside = 0;
    const most: number[] = [];
    await Promise.all(
      Array.from({ length: 10 }, () =>
        tokensOf(world).locked(async () => {
          most.push((inside += 1));
          await fs.readdir(world.folder);
          inside -= 1;
        }),
      ),
    );
    expect(most).toEqual(Array.from({ length: 10 }, () => 1));
    expect(await world.files()).toEqual([]);
  });
});

describe('the file', () => {
  test.concurrent('holds one whole sign-in after two logins at once', async ({ world }) => {
    const ends = await Promise.all([world.login(), world.login()]);
    expect(ends.map(({ code }) => code)).toEqual([0, 0]);
    expect(await world.files()).toEqual(['tokens.json']);
    expect(await stored(world)).toMatchObject({ name: 'Nora Test' });
  });

  test.concurrent('does not exist, nor a lock, after Ctrl-C', async ({ world }) => {
    const cli = world.run(['login']);
    await cli.saw(/^ {2}http\S+$/m);
    cli.kill('SIGINT');
    expect((await cli.ended).code).toBe('SIGINT');
    expect(await world.files()).toEqual([]);
  });

  test.concurrent('is deleted by a logout that does not reach AuthKit', async ({ world }) => {
    await world.login();
    world.issuer.setDown(true);
    const { code, stderr } = await world.run(['logout']).ended;
    const message = 'Signed out here, but the tokens could not be revoked at AuthKit.\n';
    expect({ code, stderr }).toEqual({ code: 1, stderr: message });
    expect(await world.files()).toEqual([]);
  });

  const tokens = { name: 'Nora', accessToken: 'a', expiresAt: 1, refreshToken: 'r' };

  test.concurrent('stays a link, and what it leads to becomes private', async ({ world }) => {
    const target = join(world.folder, 'elsewhere.json');
    await fs.writeFile(target, '{}', { mode: 0o644 });
    await fs.mkdir(join(world.folder, 'cli'));
    await fs.symlink(target, world.tokenFile);
    const file = tokensOf(world);
    await file.locked(() => file.write(tokens));
    expect((await fs.lstat(world.tokenFile)).isSymbolicLink()).toBe(true);
    expect((await fs.stat(target)).mode & 0o777).toBe(0o600);
    expect(await tokensOf(world).read()).toMatchObject(tokens);
  });

  test.concurrent('is ignored when another program or version wrote it', async ({ world }) => {
    const file = tokensOf(world);
    await file.locked(() => file.write(tokens));
    const good = await stored(world);
    expect(await file.read()).toEqual(good);
    await fs.writeFile(world.tokenFile, JSON.stringify({ ...good, addedLater: true }));
    expect(await file.read()).toEqual(good);
    const wrong: Record<string, unknown> = {
      accessToken: 5,
      refreshToken: {},
      expiresAt: 'tomorrow',
      name: undefined,
    };
    const texts = [
      ...Object.entries(wrong).map(([name, value]) => JSON.stringify({ ...good, [name]: value })),
      '',
      'null',
      '[]',
      '"a"',
      '{',
      '\0',
      JSON.stringify([good]),
    ];
    for (const text of texts) {
      // oxlint-disable-next-line no-await-in-loop -- one file
      await fs.writeFile(world.tokenFile, text);
      // oxlint-disable-next-line no-await-in-loop -- one file
      expect(await file.read(), text).toBeUndefined();
    }
  });
});

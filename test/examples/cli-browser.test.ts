// The command-line example and the browser: the command that opens it, and what it sends back.
import { readFile, writeFile } from 'node:fs/promises';
import { request, type RequestListener } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, vi } from 'vitest';
import { oauthError, test, type CliWorld } from '../support/app/cli-world.ts';

/** A command that writes its arguments to `opened`, and one that only ends. */
async function script(world: CliWorld, name: string, lines: string): Promise<string> {
  const path = join(world.folder, name);
  await writeFile(path, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return path;
}

async function recorder(world: CliWorld, name: string) {
  const opened = join(world.folder, 'opened');
  const lines = `printf '%s\\n' "$@" > '${opened}.part'\nmv '${opened}.part' '${opened}'`;
  const read = () => readFile(opened, 'utf8').catch(() => '');
  return { command: await script(world, name, lines), read };
}

const patient = { timeout: 60_000 };

async function urlOf(cli: ReturnType<CliWorld['run']>): Promise<string> {
  const [, url = ''] = await cli.saw(/^ {2}(http\S+)$/m);
  return url;
}

/** Starts a login; returns the URL of its callback, with a code. */
async function callback(world: CliWorld) {
  const cli = world.run(['login']);
  const response = await fetch(await urlOf(cli), { redirect: 'manual' });
  return { cli, url: new URL(response.headers.get('location') ?? '') };
}
const load = async (url: URL) => {
  const response = await fetch(url);
  return `${response.status} ${await response.text()}`;
};

describe('the browser', () => {
  test.concurrent.for([
    ['a command', '', '<url>\n'],
    ['a command with arguments', ' --new -x', '--new\n-x\n<url>\n'],
    ['a place for the URL', ' --url=%s --end', '--url=<url>\n--end\n'],
  ] as const)('is opened by BROWSER with %s', async ([, words, expected], { world }) => {
    const { command, read } = await recorder(world, 'my browser');
    const cli = world.run(['login'], { BROWSER: `"${command}"${words}` });
    const url = await urlOf(cli);
    await vi.waitFor(
      async () => expect(await read()).toBe(expected.replace('<url>', url)),
      patient,
    );
    cli.kill('SIGTERM');
    expect((await cli.ended).stdout).not.toContain('could not be opened');
  });

  test.runIf(process.platform === 'linux').for(['', ' '])(
    'is opened by the system if BROWSER is "%s"',
    async (browser, { world }) => {
      const { read } = await recorder(world, 'xdg-open');
      const PATH = `${world.folder}:${process.env['PATH']}`;
      const cli = world.run(['login'], { BROWSER: browser, PATH });
      const url = await urlOf(cli);
      await vi.waitFor(async () => expect(await read()).toBe(`${url}\n`), patient);
      cli.kill('SIGTERM');
      await cli.ended;
    },
  );

  test.concurrent.for([
    ['missing', () => 'no-such-browser', 'spawn no-such-browser ENOENT'],
    ['below a file', () => '/etc/hosts/browser', 'ENOTDIR'],
    ['a folder', ({ folder }: CliWorld) => folder, 'EACCES'],
    ['failing', (world: CliWorld) => script(world, 'fails', 'exit 3'), 'ended with exit code 3'],
    ['crashing', (world: CliWorld) => script(world, 'dies', 'kill -9 $$'), 'ended with SIGKILL'],
    ['empty', () => '""', "The argument 'file' cannot be empty"],
  ] as const)(
    'that is %s is reported, and the sign-in goes on',
    async ([, browser, reason], { world }) => {
      const cli = world.run(['login'], { BROWSER: await browser(world) });
      const [, told = ''] = await cli.saw(/^The browser could not be opened: (.*)\.$/m);
      expect(told).toContain(reason);
      await fetch(await urlOf(cli));
      expect((await cli.ended).code).toBe(0);
    },
  );
});

describe('the callback', () => {
  test.concurrent('shows one page however often it is loaded', async ({ world }) => {
    const { cli, url } = await callback(world);
    const pages = await Promise.all([load(url), load(url)]);
    pages.push(await load(url));
    expect(pages[0]).toMatch(/^200 .*You are signed in/);
    expect(new Set(pages).size).toBe(1);
    const { code, stdout } = await cli.ended;
    expect(code).toBe(0);
    expect(stdout.match(/Signed in as/g)).toHaveLength(1);
    expect(world.tokenRequests()).toBe(1);
  });

  test.concurrent.for<[string, RequestListener, number, string]>([
    ['invalid_grant', oauthError('invalid_grant'), 4, 'The code is no longer valid. Start again.'],
    ['invalid_code', oauthError('invalid_code'), 4, 'The code is no longer valid. Start again.'],
    [
      'invalid_client',
      oauthError('invalid_client', 401, { 'www-authenticate': 'Basic realm="AuthKit"' }),
      1,
      'AuthKit refused the request (invalid_client): check CLI_CLIENT_ID.',
    ],
  ])('shows one page after %s', async ([, refusal, exitCode, sentence], { world }) => {
    world.respondOnce(refusal);
    const { cli, url } = await callback(world);
    const pages = await Promise.all([load(url), load(url)]);
    pages.push(await load(url));
    expect(pages[0]).toMatch(/^200 .*Sign-in failed/);
    expect(new Set(pages).size).toBe(1);
    const { code, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: `${sentence}\n` });
    expect(world.tokenRequests()).toBe(1);
  });

  test.concurrent('names the error of AuthKit', async ({ world }) => {
    const { cli, url } = await callback(world);
    url.searchParams.delete('code');
    url.searchParams.set('error', 'server_error');
    expect(await load(url)).toContain('Sign-in failed');
    const { code, stderr } = await cli.ended;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'AuthKit refused the request (server_error).\n',
    });
  });

  test.concurrent('signs in although the browser has gone', async ({ world }) => {
    const { cli, url } = await callback(world);
    const gone = request(url).on('error', () => undefined);
    world.issuer.vary.mangle = async (idToken) => {
      gone.destroy();
      await new Promise((resolve) => gone.once('close', resolve));
      return idToken;
    };
    gone.end();
    expect((await cli.ended).code).toBe(0);
  });

  test.concurrent('survives requests that are no callback', async ({ world }) => {
    const { cli, url } = await callback(world);
    for (const path of ['http://[', '//[', '*', '/callback?state=%', '/favicon.ico']) {
      const odd = request({ host: url.hostname, port: url.port, path }).end();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const [response] = await once(odd, 'response');
      expect(response.statusCode, path).toBe(404);
      response.resume();
    }
    expect(await load(url)).toContain('You are signed in');
    expect((await cli.ended).code).toBe(0);
  });
});

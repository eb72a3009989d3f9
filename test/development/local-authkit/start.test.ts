// How the local AuthKit starts, where it listens, and what it keeps across restarts.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { decodeJwt } from 'jose';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import {
  startLocalAuthKit,
  type LocalAuthKit,
  type LocalAuthKitOptions,
} from '../../../src/development/local-authkit/start.ts';
import { signInOverHttp, type CookieJar } from '../../../src/development/local-authkit/test-kit.ts';
import { Browser } from '../../support/browser/browser.ts';
import { plainText } from '../../support/browser/forms.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';
import { compiled } from '../../support/machine/compiled.ts';

const folder = mkdtempSync(join(tmpdir(), 'local-authkit-'));
const open: LocalAuthKit[] = [];
const children: ChildProcess[] = [];
let fileCount = 0;

const newFile = () => join(folder, `state-${(fileCount += 1)}.json`);

async function start(options: Partial<LocalAuthKitOptions> = { port: 0 }) {
  const authkit = await startLocalAuthKit({ redirectUris: [REDIRECT_URI], ...options });
  open.push(authkit);
  return authkit;
}

function clientOf({ issuer, applications: { firstParty } }: LocalAuthKit): LocalClient {
  return new LocalClient(issuer, firstParty.clientId, firstParty.clientSecrets[0]);
}

/** Starts the local AuthKit in its own process. */
function run(args: string[], env: Record<string, string> = {}) {
  const main = compiled('src/development/local-authkit/main.ts');
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, NODE_ENV: 'development', ...env },
  });
  children.push(child);
  return child;
}

/** Waits until it has printed everything, and keeps collecting its output. */
async function runUntilReady(args: string[]) {
  const child = run(args);
  const said = { output: '', errors: '' };
  child.stdout.on('data', (chunk) => (said.output += String(chunk)));
  child.stderr.on('data', (chunk) => (said.errors += String(chunk)));
  await vi.waitFor(() => expect(said.output).toContain('_control'), 20_000);
  const issuer = /http:\/\/localhost:\d+/.exec(said.output)?.[0] ?? '';
  const [, clientId = '', secret = ''] =
    /first-party +(\S+) +secrets (\w+)/.exec(said.output) ?? [];
  return { child, said, issuer, client: new LocalClient(issuer, clientId, secret) };
}

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(open.splice(0).map((authkit) => authkit.close()));
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('the local AuthKit', () => {
  it('refuses production with one sentence', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    await expect(start()).rejects.toMatchObject({ code: 'production' });
    const child = run([], { NODE_ENV: 'production' });
    const [printed, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect(exitCode).toBe(1);
    expect(printed).toMatch(/^The local AuthKit is for development only; [^\n]*\n$/);
  });

  it('uses a free port when its own is taken', async () => {
    const squatter = createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    const address = squatter.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const authkit = await start({ port });
    expect(new URL(authkit.issuer).port).not.toBe(String(port));
    expect((await fetch(`${authkit.issuer}/oauth2/jwks`)).status).toBe(200);
    expect([authkit.takenPort, (await start()).takenPort]).toEqual([port, undefined]);
    const { said } = await runUntilReady(['--port', `${port}`, '--state-file', newFile()]);
    expect(said.output).toContain(`  (port ${port} is taken; using another)\n`);
    squatter.close();
  });

  it('listens on both loopback addresses and on no other', async () => {
    const { port } = new URL((await start()).issuer);
    const path = `:${port}/.well-known/openid-configuration`;
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      expect((await fetch(`http://${host}${path}`)).status).toBe(200);
    }
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    for (const { address, internal, family } of addresses) {
      if (internal || family !== 'IPv4') continue;
      await expect(fetch(`http://${address}${path}`)).rejects.toThrow('fetch failed');
    }
  });

  it('serves loopback host names only, and redirects them to the issuer’s name', async () => {
    const authkit = await start();
    const { port } = new URL(authkit.issuer);
    const rebound = await new Browser().get(`http://127.0.0.1:${port}/_control`, {
      headers: { host: `rebound.example:${port}` },
    });
    expect(rebound.status).toBe(421);
    const url = clientOf(authkit).authorizationUrl();
    url.hostname = '127.0.0.1';
    const moved = await new Browser().get(url);
    expect(moved.location?.origin).toBe(authkit.issuer);
    expect(moved.location?.search).toBe(url.search);
  });

  it('prints its URLs and users, without a warning, and closes on SIGTERM', async () => {
    const { child, said, client } = await runUntilReady(['--port', '0', '--state-file', newFile()]);
    await client.signIn({ person: 'Chiara Fontana' });
    child.kill('SIGTERM');
    const [exitCode] = await once(child, 'exit');
    expect([exitCode, said.errors]).toEqual([0, '']);
    expect(said.output).toContain('Chiara Fontana <chiara.fontana@example.com>');
    expect(said.output).not.toMatch(/warning|notice/i);
  });

  it('explains a wrong flag in one line', async () => {
    const wrong = [['--port', 'x'], ['--port', '70000'], ['--unknown']];
    const outcomes = wrong.map(async (args) => {
      const child = run(args);
      const [printed, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
      return [exitCode, printed.trimEnd().split('\n').length];
    });
    expect(await Promise.all(outcomes)).toEqual(wrong.map(() => [1, 1]));
  });
});

describe('the state file', () => {
  it('keeps issuer, keys, applications, people, sessions and tokens across a restart', async () => {
    const stateFile = newFile();
    const first = await start({ port: 0, stateFile });
    const jar: CookieJar = new Map();
    const tokens = await clientOf(first).signIn({ person: 'Bruno Okafor', jar });
    await first.close();
    const second = await start({ stateFile });
    for (const member of ['issuer', 'environmentClientId', 'applications', 'people'] as const) {
      expect(second[member]).toEqual(first[member]);
    }
    const client = clientOf(second);
    expect(await client.introspect(tokens['access_token'])).toMatchObject({ active: true });
    expect((await client.refresh(tokens['refresh_token'])).status).toBe(200);
    const silent = client.authorizationUrl({ prompt: 'none' });
    const back = await signInOverHttp(silent, { person: 'no user is asked', jar });
    expect(back.searchParams.has('code')).toBe(true);
  });

  it('keeps every issued token after kill -9', async () => {
    const args = ['--port', '0', '--state-file', newFile()];
    const before = await runUntilReady(args);
    const tokens = await before.client.signIn({ person: 'Ada Lindqvist' });
    before.child.kill('SIGKILL');
    await once(before.child, 'exit');
    const after = await runUntilReady(args);
    const client = new LocalClient(after.issuer, before.client.clientId);
    expect(after.client.clientId).toBe(client.clientId);
    const { body } = await after.client.refresh(tokens['refresh_token']);
    expect(decodeJwt(body['access_token'] ?? '').sub).toBe(
      decodeJwt(tokens['access_token'] ?? '').sub,
    );
  });

  it('is readable by its owner only, and has new ids and secrets in each file', async () => {
    const [one, two] = [newFile(), newFile()];
    const first = await start({ port: 0, stateFile: one });
    const second = await start({ port: 0, stateFile: two });
    const secret = first.applications.firstParty.clientSecrets[0];
    await vi.waitFor(() => expect(readFileSync(one, 'utf8')).toContain(secret));
    expect(statSync(one).mode & 0o777).toBe(0o600);
    expect(secret).toMatch(/^[0-9a-f]{64}$/);
    expect(second.applications.firstParty.clientSecrets).not.toContain(secret);
    expect(second.environmentClientId).not.toBe(first.environmentClientId);
    const subs = new Set([...first.people, ...second.people].map(({ sub }) => sub));
    expect(subs.size).toBe(6);
  });

  it('belongs to one local AuthKit: a second one only reads it', async () => {
    const stateFile = newFile();
    const first = await start({ port: 0, stateFile });
    const tokens = await clientOf(first).signIn({ person: 'Ada Lindqvist' });
    const second = await start({ stateFile });
    await clientOf(second).signIn({ person: 'Ada Lindqvist' });
    await second.close();
    await first.close();
    const third = await start({ stateFile });
    expect([second.environmentClientId, third.issuer]).toEqual([
      first.environmentClientId,
      first.issuer,
    ]);
    expect((await clientOf(third).refresh(tokens['refresh_token'])).status).toBe(200);
  });

  it('is named in the error when it is damaged', async () => {
    const stateFile = newFile();
    writeFileSync(stateFile, '{"version":1,');
    const failure = expect.objectContaining({ code: 'state_file' });
    await expect(start({ stateFile })).rejects.toEqual(failure);
    await expect(start({ stateFile })).rejects.toThrow(stateFile);
  });
});

describe('the end_session endpoint', () => {
  const landing = 'http://localhost:3000/signed-out';

  async function signedIn() {
    const authkit = await start({ port: 0, endSession: true, postLogoutRedirectUris: [landing] });
    const client = clientOf(authkit);
    const browser = new Browser();
    await browser.open(client.authorizationUrl());
    const page = await browser.get((await browser.press('Ada Lindqvist')).location ?? '');
    const { body } = await client.exchange(page.location?.searchParams.get('code') ?? '');
    const endUrl = new URL('/oauth2/logout', authkit.issuer);
    const stillSignedIn = async () =>
      (await browser.get(client.authorizationUrl({ prompt: 'none' }))).location?.searchParams.has(
        'code',
      );
    return {
      browser,
      endUrl,
      idToken: body['id_token'] ?? '',
      tokens: body,
      client,
      stillSignedIn,
    };
  }

  it('signs out at once with an ID token of the user, and leaves the tokens valid', async () => {
    const { browser, endUrl, idToken, tokens, client, stillSignedIn } = await signedIn();
    const request = { id_token_hint: idToken, post_logout_redirect_uri: landing, state: 'x y' };
    endUrl.search = new URLSearchParams(request).toString();
    expect(await stillSignedIn()).toBe(true);
    const done = await browser.get(endUrl);
    expect([done.status, done.location?.href]).toEqual([303, `${landing}?state=x+y`]);
    expect(await stillSignedIn()).toBe(false);
    expect((await client.refresh(tokens['refresh_token'])).status).toBe(200);
  });

  it('accepts an expired ID token', async () => {
    const { browser, endUrl, idToken } = await signedIn();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7_200_000 });
    endUrl.search = new URLSearchParams({ id_token_hint: idToken }).toString();
    const done = await browser.open(endUrl);
    vi.useRealTimers();
    expect(plainText(done.body)).toContain('You are signed out of the local AuthKit');
  });

  it('asks for confirmation without an ID token', async () => {
    const { browser, endUrl, stillSignedIn } = await signedIn();
    endUrl.searchParams.set('post_logout_redirect_uri', landing);
    const question = await browser.open(endUrl);
    expect(plainText(question.body)).toContain('Sign out of the local AuthKit?');
    expect(await stillSignedIn()).toBe(true);
    const done = await browser.press('Sign out');
    expect(done.location?.href).toBe(landing);
    expect(await stillSignedIn()).toBe(false);
  });

  it.each([
    ['an unregistered landing page', { post_logout_redirect_uri: 'https://evil.example/' }],
    ['a forged hint', { id_token_hint: 'e30.e30.e30' }],
  ])('refuses %s with an error page', async (_, request) => {
    const { browser, endUrl, stillSignedIn } = await signedIn();
    endUrl.search = new URLSearchParams(request).toString();
    const page = await browser.open(endUrl);
    expect([page.status, page.location]).toEqual([400, undefined]);
    expect(plainText(page.body)).toContain('invalid_logout');
    expect(await stillSignedIn()).toBe(true);
  });
});

// `init` on apps of several kinds: after the command and the lines that it prints, each app compiles,
// starts, and its users sign in and out.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Folder } from '../../src/copy/shipped.ts';
import { startTestAuthKit } from '../support/authkit/local-authkit.ts';
import { newVisitor } from '../../src/development/local-authkit/test-visitor.ts';
import { compile } from '../support/app/copied-app.ts';
import {
  initApp,
  linkDependencies,
  pasteLines,
  strictSettings,
  writeFiles,
  type Chosen,
  type Files,
  type InitResult,
} from '../support/app/copy-command.ts';
import { newEvent, send } from '../support/app/webhooks.ts';
import { freePort } from '../support/machine/free-port.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startRedis } from '../support/store/redis.ts';

/** The machine may be busy. */
const LONG = { timeout: 60_000, interval: 100 };
let folder: string;
const started: (() => Promise<void>)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init über apps '));
});
afterEach(async () => {
  for (const stop of started.splice(0)) await stop();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Running {
  url: string;
  output: () => string;
  hasEnded: () => boolean;
}

interface Host extends Chosen {
  /** What is there before. */
  files: Files;
}

/** The app after `init`, its lines added and its packages installed. */
async function prepare(name: string, { files, ...chosen }: Host) {
  const app = join(folder, name);
  await writeFiles(app, files);
  const result = await initApp(app, chosen);
  await pasteLines(app, result);
  await linkDependencies(app);
  return { app, result };
}

function start(app: string, command: readonly string[], env: NodeJS.ProcessEnv): Running {
  const { PATH, HOME } = process.env;
  const [program = '', ...args] = command;
  // In a process group of its own: npm passes SIGTERM on to its shell only, not to the app in it.
  const child = spawn(program, args, { cwd: app, env: { PATH, HOME, ...env }, detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, 'exit');
  started.push(async () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
    await exited;
  });
  return {
    url: env['BASE_URL'] ?? '',
    output: () => output,
    hasEnded: () => child.exitCode !== null,
  };
}

/** Until it has discovered its issuer, a sign-in gives 503. */
async function untilReady({ url, output }: Running, path = '/login'): Promise<void> {
  const startsSignIn = async () => {
    const response = await fetch(url + path, { redirect: 'manual' }).catch(() => undefined);
    return response?.status === 302;
  };
  await vi.waitUntil(startsSignIn, LONG).catch((cause: unknown) => {
    throw new Error(output(), { cause });
  });
}

/** Starts it with its copy of the local AuthKit. */
async function startAlone(app: string, command: readonly string[], prefix = ''): Promise<Running> {
  const url = `http://localhost:${await freePort()}`;
  const options = ['--port', '0', '--redirect-uri', `${url}${prefix}/callback`];
  const running = start(app, ['node', 'local-authkit/main.js', ...options, '--', ...command], {
    BASE_URL: url,
  });
  await untilReady(running, `${prefix}/login`);
  return running;
}

/** Starts it with settings in .env, beside a local AuthKit of this process. */
async function startWithSettings(app: string, [, ...args]: readonly string[], more: Files = {}) {
  const url = `http://localhost:${await freePort()}`;
  const authKit = await startTestAuthKit({
    redirectUris: [`${url}/callback`, `${url}/authkit/callback`],
    webhookUrl: `${url}/webhooks/authkit`,
  });
  started.push(() => authKit.close());
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const settings = {
    AUTHKIT_ISSUER: authKit.issuer,
    OAUTH_APP_CLIENT_ID: clientId,
    OAUTH_APP_CLIENT_SECRET: clientSecrets[0] ?? '',
    BASE_URL: url,
    PORT: new URL(url).port,
    SESSION_SECRET: 'a secret of the tests and of nothing else',
    API_AUDIENCE: authKit.environmentClientId,
    WORKOS_WEBHOOK_SECRET: authKit.webhookSecret,
    ...more,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(app, '.env'), lines.join(''));
  const running = start(app, ['node', '--env-file=.env', ...args], { BASE_URL: url });
  return { ...running, authKit };
}

const ADA = 'Ada Lindqvist';
const ALL: Folder[] = ['auth', 'bearer', 'events', 'local-authkit'];

/** A visitor signs in, sees the page for members, and signs out. */
async function expectSignIn(
  url: string,
  { prefix = '', page = '/members' }: { prefix?: string; page?: string } = {},
): Promise<void> {
  const ada = newVisitor(url);
  expect((await ada.fetch(page)).status).toBe(401);
  const signedIn = await ada.signIn({ person: ADA, path: `${prefix}/login` });
  expect(signedIn.status).toBe(303);
  const members = await ada.fetch(page);
  expect([members.status, await members.text()]).toEqual([200, expect.stringContaining('Ada')]);
  const signedOut = await ada.fetch(`${prefix}/logout`, { method: 'POST' });
  expect([signedOut.status, signedOut.headers.get('location')]).toEqual([303, '/signed-out']);
  expect((await ada.fetch('/signed-out')).status).toBe(200);
  expect((await ada.fetch(page)).status).toBe(401);
}

const ROUTES = `app.get('/', (_req, res) => {
  res.send('home');
});
app.get('/rejected', async () => {
  await Promise.reject(new Error('rejected on purpose'));
});
app.listen(Number(process.env['PORT']));
`;

const TS_SERVER = `import express from 'express';

const app = express();
app.use(express.json());
${ROUTES}`;

const JS_SERVER = TS_SERVER.replace(/^import .*/, "const express = require('express');");

const manifestOf = (manifest: object) => `${JSON.stringify(manifest, null, 2)}\n`;

/** A rejected handler gets a response, and the app goes on. */
async function expectSurvival({ url, hasEnded, output }: Running): Promise<void> {
  expect((await fetch(`${url}/rejected`)).status).toBe(500);
  expect((await fetch(url)).status, output()).toBe(200);
  expect(hasEnded()).toBe(false);
}

describe('a TypeScript app of ES modules', () => {
  let app: string;
  let result: InitResult;
  beforeAll(async () => {
    const files = {
      'package.json': manifestOf({
        type: 'module',
        scripts: { start: 'node dist/server.js' },
        dependencies: { express: '^5.0.0' },
      }),
      'tsconfig.json': await strictSettings(),
      'src/server.ts': TS_SERVER,
    };
    ({ app, result } = await prepare('typescript', { files, folders: ALL }));
    expect(await compile(app)).toBe('');
  });

  test('gets the folders beside its server, and no settings that it has', () => {
    expect(result).toMatchObject({ folder: 'src/authkit', compilerSettings: [], written: true });
  });

  test('signs users in and out at its own local AuthKit', async () => {
    const { url } = await startAlone(app, ['npm', 'start']);
    await expectSignIn(url);
  });

  test('accepts the access token of a machine, and no other', async () => {
    const running = await startWithSettings(app, ['node', 'dist/server.js']);
    await untilReady(running);
    const { url, authKit } = running;
    const { clientId, clientSecret } = authKit.applications.machine;
    const response = await fetch(`${authKit.issuer}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
      }),
    });
    const { access_token: token } = (await response.json()) as { access_token: string };
    const me = (authorization: string) => fetch(`${url}/api/me`, { headers: { authorization } });
    expect(await (await me(`Bearer ${token}`)).json()).toEqual({ sub: clientId });
    expect((await me('Bearer forged')).status).toBe(401);
    expect((await fetch(`${url}/.well-known/oauth-protected-resource`)).status).toBe(200);
  });

  test('ends the sessions of a user whom AuthKit deletes, and takes no forged webhook', async () => {
    const running = await startWithSettings(app, ['node', 'dist/server.js']);
    await untilReady(running);
    const { url, authKit } = running;
    const ada = newVisitor(url);
    await ada.signIn({ person: ADA });
    const sub = authKit.people.find(({ name }) => name === ADA)?.sub ?? '';
    expect((await send(url, newEvent('user.deleted', { id: sub }))).status).toBe(401);
    expect((await ada.fetch('/members')).status).toBe(200);
    authKit.control.deletePerson({ sub });
    await vi.waitUntil(async () => (await ada.fetch('/members')).status === 401, LONG);
  });
});

describe('a TypeScript app of CommonJS with Express 4', () => {
  test('gets the settings that it lacks, signs users in and out, and survives a rejection', async () => {
    const { app, result } = await prepare('typescript-commonjs', {
      files: {
        'package.json': manifestOf({ dependencies: { express: '^4.21.0' } }),
        'tsconfig.json': await strictSettings({
          module: 'commonjs',
          moduleResolution: 'node10',
          target: 'es2020',
          lib: undefined,
          verbatimModuleSyntax: false,
          rewriteRelativeImportExtensions: undefined,
        }),
        'src/server.ts': TS_SERVER,
      },
    });
    expect(result.compilerSettings).toEqual([
      { name: 'module', from: 'commonjs', to: 'nodenext' },
      { name: 'moduleResolution', from: 'node10', to: 'nodenext' },
      { name: 'rewriteRelativeImportExtensions', to: true },
      { name: 'target', from: 'es2020', to: 'es2023' },
    ]);
    expect(await compile(app)).toBe('');
    const running = await startAlone(app, ['node', 'dist/server.js']);
    await expectSignIn(running.url);
    await expectSurvival(running);
  });
});

const OWN_LOGIN = `const express = require('express');
const session = require('express-session');
const passport = require('passport');
const { Strategy } = require('passport-local');

const app = express();
app.use(session({ secret: 'own', resave: false, saveUninitialized: false }));
app.use(passport.session());
passport.use(new Strategy((username, password, done) => done(null, { username })));
passport.serializeUser((user, done) => done(null, user.username));
passport.deserializeUser((username, done) => done(null, { username }));
app.post('/login', express.urlencoded(), passport.authenticate('local'), (req, res) => {
  res.send('own');
});
app.get('/own', (req, res) => {
  res.send(req.isAuthenticated() ? String(req.user.username) : 'nobody');
});
app.listen(process.env.PORT);
`;

describe('a CommonJS app with a session, passport and /login of its own', () => {
  test('keeps them, and signs users in and out at other paths beside', async () => {
    const dependencies = {
      express: '^5.0.0',
      'express-session': '^1.17.0',
      passport: '^0.7.0',
      'passport-local': '^1.0.0',
    };
    const { app } = await prepare('own-login', {
      files: { 'package.json': manifestOf({ dependencies }), 'server.js': OWN_LOGIN },
    });
    const { url } = await startAlone(app, ['node', 'server.js'], '/authkit');
    const visitor = newVisitor(url);
    const body = new URLSearchParams({ username: 'owner', password: 'x' });
    expect((await visitor.fetch('/login', { method: 'POST', body })).status).toBe(200);
    await visitor.signIn({ person: ADA, path: '/authkit/login' });
    expect(await (await visitor.fetch('/own')).text()).toBe('owner');
    expect(await (await visitor.fetch('/members')).json()).toMatchObject({ user: { name: ADA } });
    await expectSignIn(url, { prefix: '/authkit' });
    expect(await (await visitor.fetch('/own')).text()).toBe('owner');
    // The app's own pages trust req.isAuthenticated().
    const ofAuthKit = newVisitor(url);
    await ofAuthKit.signIn({ person: ADA, path: '/authkit/login' });
    expect(await (await ofAuthKit.fetch('/own')).text()).toBe('nobody');
  });
});

describe('a JavaScript app', () => {
  test('of ES modules signs users in and out, with its settings in .env', async () => {
    const { app } = await prepare('javascript', {
      files: {
        'package.json': manifestOf({ type: 'module', dependencies: { express: '^5.0.0' } }),
        'index.js': TS_SERVER,
      },
    });
    const running = await startWithSettings(app, ['node', 'index.js']);
    await untilReady(running);
    const { url } = running;
    await expectSignIn(url);
  });

  test('of CommonJS with Express 4 signs users in and out, and survives a rejection', async () => {
    const { app } = await prepare('express-4', {
      files: {
        'package.json': manifestOf({ dependencies: { express: '^4.21.0' } }),
        'server.js': JS_SERVER,
      },
    });
    const running = await startAlone(app, ['node', 'server.js']);
    await expectSignIn(running.url);
    await expectSurvival(running);
  });

  test('without a server file gets one that signs users in and out', async () => {
    const { app, result } = await prepare('no-server', {
      files: { 'package.json': manifestOf({}) },
      folders: ALL,
    });
    expect([result.newServer, result.toDo]).toEqual(['server.mjs', undefined]);
    const { url } = await startAlone(app, ['node', 'server.mjs']);
    await expectSignIn(url, { page: '/profile' });
  });
});

// A new app with sign-in is one of packed.test.ts.
describe('a new app', () => {
  test('of an API alone refuses requests without a token', async () => {
    const app = join(folder, 'new-api');
    await initApp(app, { folders: ['bearer'] });
    await linkDependencies(app);
    expect(await compile(app)).toBe('');
    const { url } = await startWithSettings(app, ['node', 'dist/server.js']);
    const me = () => fetch(`${url}/api/me`).catch(() => undefined);
    await vi.waitUntil(async () => (await me()) !== undefined, LONG);
    expect((await me())?.headers.get('www-authenticate')).toContain('/.well-known/');
  });
});

describe('an app with --store redis', () => {
  const { test: testWithRedis } = withParts('redis-server');
  testWithRedis('keeps its sessions there', async () => {
    const redis = await startRedis();
    started.push(() => redis.close());
    const { app } = await prepare('redis', {
      files: {
        'package.json': manifestOf({ type: 'module', dependencies: { express: '^5.0.0' } }),
        'index.js': TS_SERVER,
      },
      engine: 'redis',
    });
    const running = await startWithSettings(app, ['node', 'index.js'], { REDIS_URL: redis.url });
    await untilReady(running);
    const { url } = running;
    const ada = newVisitor(url);
    await ada.signIn({ person: ADA });
    expect(await redis.command('DBSIZE')).not.toContain(':0');
    expect((await ada.fetch('/members')).status).toBe(200);
    await redis.flush();
    expect((await ada.fetch('/members')).status).toBe(401);
  });
});

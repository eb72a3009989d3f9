// What `init` sees when it looks at an app: tables of apps that differ in one thing.
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lookAt, majorOf } from '../../src/copy/app.ts';
import { writeFiles, type Files } from '../support/app/copy-command.ts';

let folder: string;
let app: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-app-'));
});
beforeEach(() => {
  app = join(folder, `app-${(count += 1)}`);
});
afterAll(() => rm(folder, { recursive: true }));

const SERVER = "import express from 'express';\nconst app = express();\napp.listen(3000);\n";

/** Looks at an app with these files beside a package.json. */
async function look(files: Files, manifest: object = {}) {
  await writeFiles(app, { 'package.json': JSON.stringify(manifest), ...files });
  return lookAt(app);
}

const found = async (files: Files) => (await look(files)).existing;

describe('the package manager', () => {
  test.each([
    ['npm', 'package-lock.json'],
    ['npm', 'npm-shrinkwrap.json'],
    ['yarn', 'yarn.lock'],
    ['pnpm', 'pnpm-lock.yaml'],
    ['bun', 'bun.lock'],
    ['bun', 'bun.lockb'],
  ])('is %s with %s', async (name, lock) => {
    expect((await look({ [lock]: '' })).packageManager).toBe(name);
  });

  test('is the one that package.json names', async () => {
    expect((await look({}, { packageManager: 'pnpm@9.1.0' })).packageManager).toBe('pnpm');
  });

  test('is that of the workspace above', async () => {
    await writeFiles(join(folder, 'workspace'), { 'pnpm-lock.yaml': '' });
    app = join(folder, 'workspace/packages/app');
    expect((await look({})).packageManager).toBe('pnpm');
    app = join(folder, 'workspace/packages/missing/yet');
    expect((await lookAt(app)).packageManager).toBe('pnpm');
  });
});

describe('the language', () => {
  test.each([
    ['ts', 'the server file', { 'src/server.ts': SERVER }, {}],
    ['js', 'the server file, with a tsconfig.json', { 'a.js': SERVER, 'tsconfig.json': '{}' }, {}],
    ['ts', 'a tsconfig.json without a server file', { 'tsconfig.json': '{}' }, {}],
    ['js', 'nothing', {}, {}],
    ['ts', 'sources and the compiler', { 'a.ts': '' }, { devDependencies: { typescript: '5' } }],
    ['js', 'sources alone', { 'a.ts': '' }, {}],
    ['ts', 'the source, not what is built', { 'lib/a.js': SERVER, 'src/a.ts': SERVER }, {}],
  ])('is %s by %s', async (language, _, files, manifest) => {
    expect((await look(files as Files, manifest)).language).toBe(language);
  });
});

describe('the modules', () => {
  test.each([
    ['esm', 'a.js', SERVER, { type: 'module' }],
    ['commonjs', 'a.js', "const express = require('express'); express();", {}],
    ['esm', 'a.js', SERVER, {}],
    ['commonjs', 'a.js', SERVER, { type: 'commonjs' }],
    ['esm', 'a.mjs', SERVER, { type: 'commonjs' }],
    ['commonjs', 'a.cjs', "require('express')()", { type: 'module' }],
    ['commonjs', 'a.ts', SERVER, {}],
    ['esm', 'a.ts', SERVER, { type: 'module' }],
    ['esm', 'a.mts', SERVER, {}],
  ])('are %s for %s', async (modules, path, text, manifest) => {
    expect((await look({ [path]: text }, manifest)).modules).toBe(modules);
  });
});

describe('the version of Express', () => {
  test.each([
    ['^4.18.2', 4],
    ['~5.1', 5],
    ['5.x', 5],
    ['=v4.0.0', 4],
    ['npm:@fork2/express3@^4', 4],
    ['npm:fork@4.1', 4],
    ['workspace:^4.0.0', 4],
    ['latest', undefined],
    ['*', undefined],
    ['workspace:*', undefined],
    ['catalog:', undefined],
    ['>=4', undefined],
    ['^4 || ^5', undefined],
    ['github:expressjs/express#4.x', undefined],
    ['git+https://example.com/2/express.git', undefined],
    ['file:../express4', undefined],
    [undefined, undefined],
  ])('of the range %s is %s', (range, major) => {
    expect(majorOf(range)).toBe(major);
  });

  test.each([
    ['the installed one, where the range has several', '>=4', 4],
    ['that of the range, where it has one', '^5.0.0', 5],
  ])('is %s', async (_, range, major) => {
    const files = { 'node_modules/express/package.json': '{ "version": "4.21.2" }' };
    expect((await look(files, { dependencies: { express: range } })).express).toBe(major);
  });

  test('is also found among the peers', async () => {
    expect((await look({}, { peerDependencies: { express: '4' } })).express).toBe(4);
  });
});

describe('the server file', () => {
  test.each([
    ['an import', SERVER],
    ['another name', "import web, { json } from 'express';\nconst app = web();"],
    ['a namespace', "import * as express from 'express';\nexpress();"],
    ['require', "var express = require('express')\nvar app = express()"],
    ['require called at once', "const app = require('express')();"],
    ['a default in CommonJS', 'const e = require("express");\ne.default();'],
  ])('is found with %s', async (_, text) => {
    expect((await look({ 'src/main.js': text })).server).toBe('src/main.js');
  });

  test.each([
    ['a router', "import express from 'express';\nexport default express.Router();"],
    ['types', "import type { Express } from 'express';\nexport const use = (app: Express) => app;"],
    ['a comment', "import express from 'express';\n// const app = express();\n/*\nexpress()\n*/"],
  ])('is not one with %s', async (_, text) => {
    expect((await look({ 'main.ts': text })).server).toBeUndefined();
  });

  test.each(['node_modules/x', 'dist', 'test', 'src/__tests__', '.cache'])(
    'is not sought in %s',
    async (path) => {
      expect((await look({ [`${path}/server.js`]: SERVER })).server).toBeUndefined();
    },
  );

  test('is the one that package.json starts, then the one that listens', async () => {
    const quiet = SERVER.replace(/app\.listen.*\n/, '');
    const files = { 'a.js': quiet, 'b.js': SERVER, 'c.js': SERVER };
    expect((await look(files)).server).toBe('b.js');
    expect((await look(files, { scripts: { start: 'node ./c.js' } })).server).toBe('c.js');
    expect((await look(files, { main: 'a.js' })).server).toBe('a.js');
  });
});

describe('the folder of the sources', () => {
  test.each([
    ['', { 'server.js': SERVER }],
    ['src', { 'src/http/server.js': SERVER }],
    ['lib', { 'lib/app.js': SERVER, 'src/other.js': '' }],
    ['src', { 'src/other.js': '' }],
    ['', { 'other.js': '' }],
  ])('is "%s"', async (sources, files) => {
    expect((await look(files as Files)).sources).toBe(sources);
  });
});

describe('what the app has already', () => {
  test.each([
    ['session', 4, "import session from 'express-session';\n\n\napp.use(session({}));"],
    ['session', 2, "const sess = require('cookie-session');\napp.use(sess());"],
    ['session', 1, "app.use(require('express-session')({ secret: 'x' }));"],
    ['passport', 2, "import passport from 'passport';\npassport.use(new Local());"],
    ['passport', 1, "router.post('/in', passport\n.authenticate('local'));"],
  ])('is a %s in line %i', async (what, line, text) => {
    expect(await found({ 'src/a.js': text })).toEqual({ [what]: { path: 'src/a.js', line } });
  });

  test.each([
    ['/login', 1, "app.get('/login', show);"],
    ['/login', 1, 'router.post("/login/", show);'],
    ['/Login', 1, 'app.all(`/Login`, show);'],
    ['/callback', 3, "\nrouter\n  .route('/callback');"],
    ['/logout', 3, "\n\napp.get(\n  '/logout',\n  show);"],
    ['/login', 1, "app.get(['/sign-in', '/login'], show);"],
    ['/login', 1, "app.use('/login', router);"],
  ])('is the route %s in line %i', async (route, line, text) => {
    expect(await found({ 'a.js': text })).toEqual({ route: { path: 'a.js', line, route } });
  });

  test.each([
    ['a comment', "// app.get('/login', show);\n/* app.get('/login')\n app.get('/login') */"],
    ['a comment behind code', "start(); // app.get('/login', show);"],
    ['another path', "app.get('/login-help'); app.get('/api/login'); app.get('/logins');"],
    ['a request', "axios.get('/login');"],
    ['an import alone', "import session from 'express-session';\nimport passport from 'passport';"],
    ['passport.session of no passport', "import { passport } from './own.js';"],
  ])('is nothing in %s', async (_, text) => {
    expect(await found({ 'a.js': text })).toEqual({});
  });

  test('is found behind strings that look like comments', async () => {
    const text = `const url = 'http://x'; app.get('/login'); const glob = '/*';`;
    expect((await found({ 'a.js': text })).route).toMatchObject({ line: 1 });
  });

  test.each(['a.test.js', 'a.spec.ts', 'tests/a.js', 'node_modules/x/a.js', 'public/a.js'])(
    'is not sought in %s',
    async (path) => {
      expect(await found({ [path]: "app.get('/login')" })).toEqual({});
    },
  );

  test.each([
    ['declare global {\n  namespace Express {\n    interface User { id: string }\n  }\n}', 3],
    ['declare namespace Express {\n  interface Request { a: { b: 1 } }\n  interface User {}\n}', 3],
  ])('is an Express.User, in a declaration file too', async (text, line) => {
    expect(await found({ 'types/express.d.ts': text })).toEqual({
      user: { path: 'types/express.d.ts', line },
    });
  });

  test('is no Express.User where User is another', async () => {
    const text = 'namespace Express { interface Request {} }\ninterface User {}';
    expect(await found({ 'types/express.d.ts': text })).toEqual({});
  });
});

describe('a folder', () => {
  test.each([
    ['missing', undefined],
    ['empty', {}],
    ['that git has begun', { '.git/HEAD': '', '.gitignore': '', 'README.md': '', LICENSE: '' }],
  ])('%s becomes a new app', async (_, files: Files | undefined) => {
    if (files) await mkdir(app);
    await writeFiles(app, files ?? {});
    expect(await lookAt(app)).toMatchObject({ isNew: true, language: 'ts', sources: 'src' });
  });

  test.each([
    ['files, but no package.json', { 'a.js': '' }, 'no package.json'],
    ['an array', { 'package.json': '[]' }, 'not as npm expects'],
    ['an empty file', { 'package.json': '' }, 'not valid JSON'],
    ['a comment', { 'package.json': '{ // x\n}' }, 'not valid JSON'],
    ['dependencies in an array', { 'package.json': '{"dependencies":["a"]}' }, 'dependencies'],
    ['a folder of this name', { 'package.json/a': '' }, 'cannot be read (EISDIR)'],
  ])('with %s is no app', async (_, files, message) => {
    await writeFiles(app, files);
    await expect(lookAt(app)).rejects.toMatchObject({
      code: 'not_an_app',
      message: expect.stringContaining(message) as string,
    });
  });

  test('that is a file is no app', async () => {
    await writeFile(app, '');
    await expect(lookAt(app)).rejects.toMatchObject({ code: 'not_an_app' });
    await expect(lookAt(join(app, 'below'))).rejects.toMatchObject({ code: 'not_an_app' });
  });

  test('may have a byte order mark, links that lead nowhere and folders in a circle', async () => {
    await writeFiles(app, { 'package.json': '\uFEFF{ "type": "module" }' });
    await symlink('nowhere', join(app, 'broken.js'));
    await symlink('.', join(app, 'again'));
    expect(await lookAt(app)).toMatchObject({ isNew: false, modules: 'esm' });
  });
});

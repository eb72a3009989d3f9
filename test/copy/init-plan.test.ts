// What `init` decides to do to an app, before it does it.
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lookAt } from '../../src/copy/app.ts';
import { makeChanges } from '../../src/copy/changes.ts';
import { planCopy, type Choices } from '../../src/copy/plan.ts';
import { RECORD_FILE } from '../../src/copy/record.ts';
import type { Engine, Folder, Shipped } from '../../src/copy/shipped.ts';
import { compile } from '../support/app/copied-app.ts';
import {
  linkDependencies,
  pasted,
  readPackage,
  strictSettings,
  treeOf,
  writeFiles,
  type Files,
} from '../support/app/copy-command.ts';

let folder: string;
let app: string;
let shipped: Shipped;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-plan-'));
  shipped = await readPackage();
});
beforeEach(() => {
  app = join(folder, `app-${(count += 1)}`);
});
afterAll(() => rm(folder, { recursive: true }));

const SERVER = `import express from 'express';

const app = express();
app.get('/', (_req, res) => {
  res.send('home');
});
app.listen(3000);
`;
const MANIFEST = '{\n  "type": "module",\n  "dependencies": {\n    "express": "^5.0.0"\n  }\n}\n';
const TYPESCRIPT = { 'package.json': MANIFEST, 'src/server.ts': SERVER };
const JAVASCRIPT = { 'package.json': MANIFEST, 'server.js': SERVER };

const choose = (folders: Folder[], engine?: Engine): Choices => ({ folders, engine });
const AUTH = choose(['auth']);

const plan = async (choices = AUTH, version = shipped.version) =>
  planCopy(shipped, version, await lookAt(app), choices);

/** Copies; returns the plan. */
async function copy(choices = AUTH) {
  const planned = await plan(choices);
  await makeChanges(app, planned.changes, async () => {}, new AbortController().signal);
  return planned;
}

/** The text that the plan gives to this file; its text now if the plan leaves it. */
async function textAfter(path: string, files: Files, choices = AUTH): Promise<string> {
  await writeFiles(app, files);
  const { changes } = await plan(choices);
  const change = changes.find((each) => each.path === path);
  return change?.after ?? readFile(join(app, path), 'utf8');
}

describe('a file in the way', () => {
  test('is refused, whichever of them it is', async () => {
    await writeFiles(app, TYPESCRIPT);
    const { changes } = await plan(choose(['auth', 'bearer', 'events']));
    const created = changes.filter(({ path, before }) => !before && !/^\.|json$/.test(path));
    expect(created.length).toBeGreaterThan(60);
    // Of each folder the first and the last.
    const folderOf = (index: number) => dirname(created[index]?.path ?? '');
    const ends = created.filter(
      (_, index) =>
        !(folderOf(index - 1) === folderOf(index) && folderOf(index) === folderOf(index + 1)),
    );
    expect(ends.length).toBeGreaterThan(10);
    for (const { path } of ends) {
      await writeFiles(app, { [path]: 'own' });
      await expect(plan(choose(['auth', 'bearer', 'events'])), path).rejects.toMatchObject({
        code: 'file_exists',
        message: expect.stringContaining(`${path} is in the way`) as string,
      });
      await rm(join(app, path));
    }
  });

  test('is refused for files that the plan edits, if they are folders', async () => {
    for (const path of ['.gitignore', '.env.example', 'tsconfig.json/tsconfig.json']) {
      app = join(folder, `blocked-${path.slice(1, 5)}`);
      await writeFiles(app, { ...TYPESCRIPT, [join(path, 'own')]: '' });
      await expect(plan()).rejects.toMatchObject({
        code: path.startsWith('t') ? 'app_unsuitable' : 'file_exists',
      });
    }
  });

  test('is none with the same text', async () => {
    await writeFiles(app, TYPESCRIPT);
    const { changes } = await plan();
    const { path = '', after = '' } = changes.find((each) => each.path.endsWith('seal.ts')) ?? {};
    await writeFiles(app, { [path]: after });
    expect((await plan()).changes.map((change) => change.path)).not.toContain(path);
  });

  test.each(['src/authkit', 'src/authkit/auth', 'src'])(
    'is a link out of the app in place of %s',
    async (path) => {
      await writeFiles(app, path === 'src' ? { 'package.json': MANIFEST } : TYPESCRIPT);
      const outside = join(folder, `outside-${count}`);
      await writeFiles(outside, { 'server.ts': SERVER });
      await writeFiles(app, { [`${path}/../x`]: '' });
      await symlink(outside, join(app, path));
      const before = await treeOf(folder);
      await expect(plan()).rejects.toMatchObject({ code: 'file_exists' });
      expect(await treeOf(folder)).toEqual(before);
    },
  );
});

const withPackages = (manifest: object) => ({
  'server.js': SERVER,
  'package.json': JSON.stringify({ type: 'module', ...manifest }),
});

const packagesAfter = async (manifest: object) =>
  JSON.parse(await textAfter('package.json', withPackages(manifest))) as {
    dependencies: Record<string, string>;
    devDependencies?: Record<string, string>;
  };

describe('the packages', () => {
  test('are added in the tested versions, in order, and with nothing else changed', async () => {
    const text =
      '{\r\n\t"type": "module",\r\n\t"dependencies": { "zod": "1", "express": "5" }\r\n}';
    const after = await textAfter('package.json', { 'server.js': SERVER, 'package.json': text });
    expect(after).toContain('{\r\n\t"type": "module",\r\n\t"dependencies": {');
    expect(after.replaceAll('\r\n', '')).not.toContain('\n');
    const { dependencies } = JSON.parse(after) as { dependencies: Record<string, string> };
    const { ranges } = shipped;
    expect(dependencies).toMatchObject({ zod: '1', express: '5', jose: ranges['jose'] });
  });

  test.each(['latest', '*', 'workspace:*', 'git+https://example.com/jose.git#v5', 'file:../jose5'])(
    'of the range %s are the decision of the app',
    async (range) => {
      const { dependencies } = await packagesAfter({ dependencies: { jose: range } });
      expect(dependencies['jose']).toBe(range);
    },
  );

  test.each([
    ['jose', '^5.0.0', 'jose ^5.0.0 (needs ^6'],
    ['jose', 'npm:@own/jose9@5.1', '(needs ^6'],
    ['express', '^3.0.0', 'express ^3.0.0 (needs 4 or 5)'],
    ['libsql', '^0.4.0', 'libsql ^0.4.0 (needs ^0.5'],
  ])('%s of the range %s is unsuitable', async (name, range, message) => {
    await writeFiles(app, withPackages({ dependencies: { [name]: range } }));
    await expect(plan()).rejects.toMatchObject({
      code: 'app_unsuitable',
      message: expect.stringContaining(message) as string,
    });
  });

  test.each([
    ['^5.6.0', undefined, true],
    ['~5.4', undefined, false],
    ['^5.6.0', '5.6.3', false],
    ['^5.0.0', '5.9.2', true],
    ['~5.7.2', undefined, true],
    ['5', undefined, true],
    ['^4.9.0', undefined, false],
    ['^7.0.0', undefined, true],
  ])('typescript %s, installed %s, is suitable: %s', async (range, installed, isSuitable) => {
    await writeFiles(app, {
      ...TYPESCRIPT,
      'package.json': JSON.stringify({ devDependencies: { typescript: range } }),
      ...(installed && {
        'node_modules/typescript/package.json': JSON.stringify({ version: installed }),
      }),
    });
    const result = await plan().catch((error: Error) => error.message);
    if (isSuitable) expect(result).toHaveProperty('changes');
    else expect(result).toContain('5.7 or later');
  });

  test('that are there for development or as peers become dependencies', async () => {
    const { dependencies, devDependencies } = await packagesAfter({
      devDependencies: { jose: '^6.0.0', other: '1' },
      peerDependencies: { express: '^5.0.0' },
    });
    expect(dependencies).toMatchObject({ jose: '^6.0.0', express: '^5.0.0' });
    expect(devDependencies).toEqual({ other: '1' });
  });

  test('keep a byte order mark, and need no installation if none is missing', async () => {
    await writeFiles(app, { ...JAVASCRIPT, 'package.json': `\uFEFF${MANIFEST}` });
    const { needsInstall } = await copy();
    expect(needsInstall).toBe(true);
    expect(await readFile(join(app, 'package.json'), 'utf8')).toMatch(/^\uFEFF\{\n {2}"type"/);
    expect((await plan(choose(['events']))).needsInstall).toBe(false);
  });
});

/** What changes in these settings, by name. */
async function settingsFor(tsconfig: object, files: Files = {}, choices = AUTH) {
  const text = JSON.stringify(tsconfig);
  await writeFiles(app, { ...TYPESCRIPT, 'tsconfig.json': text, ...files });
  const { compiler } = await plan(choices);
  return {
    file: compiler.file,
    ...Object.fromEntries(compiler.settings.map(({ name, to }) => [name, to])),
  };
}

describe('the compiler settings', () => {
  const FIT = { module: 'nodenext', rewriteRelativeImportExtensions: true };

  test.each<[string, object, object]>([
    ['fit', FIT, {}],
    [
      'fit for a bundler',
      { module: 'esnext', moduleResolution: 'bundler', allowImportingTsExtensions: true },
      {},
    ],
    [
      'are old',
      { module: 'commonjs', moduleResolution: 'node', target: 'ES6' },
      { ...FIT, moduleResolution: 'nodenext', target: 'es2023' },
    ],
    ['are empty', {}, FIT],
    ['have an old library', { ...FIT, lib: ['ES2020', 'DOM'] }, { lib: ['es2023', 'dom'] }],
    ['have a new library', { ...FIT, lib: ['ESNext'] }, {}],
    ['have types without those of Node', { ...FIT, types: ['jest'] }, { types: ['jest', 'node'] }],
    ['have the newest target', { ...FIT, target: 'esnext', types: ['*'] }, {}],
  ])('that %s change as needed', async (_, compilerOptions, expected) => {
    expect(await settingsFor({ compilerOptions })).toEqual({ file: 'tsconfig.json', ...expected });
  });

  test('of CommonJS must let it require ES modules', async () => {
    const compilerOptions = { ...FIT, module: 'node18', target: 'es2024' };
    const own = { 'package.json': '{}' };
    expect(await settingsFor({ compilerOptions })).toEqual({ file: 'tsconfig.json' });
    expect(await settingsFor({ compilerOptions }, own)).toMatchObject({ module: 'nodenext' });
    const verbatim = { compilerOptions: { ...FIT, verbatimModuleSyntax: true } };
    expect(await settingsFor(verbatim, own)).toMatchObject({ verbatimModuleSyntax: false });
    expect(await settingsFor(verbatim, TYPESCRIPT)).toEqual({ file: 'tsconfig.json' });
  });

  test('leave the local AuthKit unchecked', async () => {
    const choices = choose(['local-authkit']);
    const settings = await settingsFor({ compilerOptions: FIT }, {}, choices);
    expect(settings).toMatchObject({ skipLibCheck: true });
  });

  test.each<[string, unknown, Files]>([
    ['a file', './base.json', { 'base.json': JSON.stringify({ compilerOptions: FIT }) }],
    [
      'a package',
      '@tsconfig/own',
      { 'node_modules/@tsconfig/own/tsconfig.json': JSON.stringify({ compilerOptions: FIT }) },
    ],
    [
      'several',
      ['./one.json', './two.json'],
      {
        'one.json': '{ "compilerOptions": { "module": "nodenext" } }',
        'two.json': '{ "compilerOptions": { "rewriteRelativeImportExtensions": true } }',
      },
    ],
  ])('are also those that it extends: %s', async (_, extending, files) => {
    expect(await settingsFor({ extends: extending }, files)).toEqual({ file: 'tsconfig.json' });
    expect(
      await settingsFor({ extends: extending, compilerOptions: { target: 'es2019' } }),
    ).toEqual({ file: 'tsconfig.json', target: 'es2023' });
  });

  test('are those of the project that has the server, where tsconfig.json only refers', async () => {
    const references = [{ path: './tsconfig.web.json' }, { path: 'src' }];
    const files = {
      'tsconfig.web.json': '{ "include": ["web"] }',
      'src/tsconfig.json': '{ "compilerOptions": { "module": "nodenext" } }',
    };
    expect(await settingsFor({ files: [], references }, files)).toEqual({
      file: 'src/tsconfig.json',
      rewriteRelativeImportExtensions: true,
    });
  });

  test('keep comments, commas at the end, line ends and indentation', async () => {
    const lines = [
      '{',
      '\t// own',
      '\t"compilerOptions": {',
      '\t\t"strict": true, // yes',
      '\t},',
      '}',
      '',
    ];
    const text = `\uFEFF${lines.join('\r\n')}`;
    const added = '"module": "nodenext",\r\n\t\t"rewriteRelativeImportExtensions": true,\r\n\t\t';
    expect(await textAfter('tsconfig.json', { ...TYPESCRIPT, 'tsconfig.json': text })).toBe(
      text.replace('"strict"', `${added}"strict"`),
    );
  });

  test('are added at the end, behind a comment of its own line too', async () => {
    const text = '{ "compilerOptions": {\n  "strict": true\n  // the end\n} }\n';
    expect(await textAfter('tsconfig.json', { ...TYPESCRIPT, 'tsconfig.json': text })).toMatch(
      /"strict": true,\s+"module": "nodenext",\s+"rewriteRelativeImportExtensions": true\s+\/\/ the end/,
    );
  });

  test('that cannot be read are refused', async () => {
    await writeFiles(app, { ...TYPESCRIPT, 'tsconfig.json': '{ "extends": "./missing.json" }' });
    await expect(plan()).rejects.toMatchObject({ code: 'app_unsuitable' });
  });
});

describe('.gitignore', () => {
  test.each([
    ['', '.env\n.data\n'],
    ['dist', 'dist\n.env\n.data\n'],
    ['/.env\r\n.data/\r\n', '/.env\r\n.data/\r\n'],
    ['dist\r\n', 'dist\r\n.env\r\n.data\r\n'],
    ['# .env\n', '# .env\n.env\n.data\n'],
  ])('of %j becomes %j', async (before, after) => {
    expect(await textAfter('.gitignore', { ...JAVASCRIPT, '.gitignore': before })).toBe(after);
  });
});

const example = (text: string, choices = AUTH) =>
  textAfter('.env.example', { ...JAVASCRIPT, '.env.example': text }, choices);

describe('.env.example', () => {
  test('gets the settings that it does not name', async () => {
    const text = 'export BASE_URL=x\r\n#SESSION_SECRET=\r\nOAUTH_APP_CLIENT_ID = y';
    const after = await example(text);
    expect(after.startsWith(`${text}\r\n# Your AuthKit\r\nAUTHKIT_ISSUER=`)).toBe(true);
    const names = after.matchAll(/^(?:export |#)?([A-Z_]+) ?=/gm);
    expect([...names].map(([, name]) => name)).toEqual([
      'BASE_URL',
      'SESSION_SECRET',
      'OAUTH_APP_CLIENT_ID',
      'AUTHKIT_ISSUER',
      'OAUTH_APP_CLIENT_SECRET',
    ]);
  });

  test.each([
    [choose(['bearer']), 'API_AUDIENCE', 'SESSION_SECRET'],
    [choose(['events']), 'WORKOS_WEBHOOK_SECRET', 'API_AUDIENCE'],
    [choose(['auth'], 'redis'), 'REDIS_URL', 'DATABASE_URL'],
    [choose(['auth'], 'postgres'), 'DATABASE_URL', 'REDIS_URL'],
  ])('has what %j needs', async (choices, wanted, unwanted) => {
    const after = await example('', choices);
    expect(after).toContain(`${wanted}=`);
    expect(after).not.toContain(unwanted);
  });

  test('is left alone for the local AuthKit alone', async () => {
    expect(await example('', choose(['local-authkit']))).toBe('');
  });
});

describe('a second copy', () => {
  beforeEach(() => writeFiles(app, JAVASCRIPT));

  test('of the same changes nothing', async () => {
    await copy(choose(['auth', 'local-authkit']));
    const { changes, toDo } = await plan(choose(['auth', 'local-authkit']));
    expect(changes).toEqual([]);
    // Their owner may have closed the terminal.
    expect(toDo?.lines.before).toEqual(['app.use(authKit.session, authKit.routes);']);
    const imports = toDo?.lines.imports.join('\n') ?? '';
    await writeFiles(app, { 'server.js': `${imports}\n${SERVER}` });
    expect((await plan(choose(['auth', 'local-authkit']))).toDo).toBeUndefined();
  });

  test('of more folders adds them, and has lines for these alone', async () => {
    await copy();
    await writeFile(join(app, 'authkit/setup.js'), '// changed');
    const { changes, toDo, record } = await copy(choose(['bearer', 'events']));
    expect(record.folders).toEqual(['auth', 'store', 'bearer', 'events']);
    expect(changes.map(({ path }) => path)).not.toContain('authkit/setup.js');
    expect(toDo?.lines.imports).toHaveLength(2);
    expect(toDo?.lines.before).toEqual([
      'app.use(webhooks); // before any body parser',
      'app.use(api.metadata);',
    ]);
    expect(await readFile(join(app, 'authkit/setup.js'), 'utf8')).toBe('// changed');
  });

  test('of another version, language or engine is refused', async () => {
    await copy();
    const refusal = { code: 'already_copied' };
    await expect(plan(AUTH, '9.0.0')).rejects.toMatchObject(refusal);
    await expect(plan(choose(['auth'], 'redis'))).rejects.toMatchObject(refusal);
    await rm(join(app, 'server.js'));
    await writeFiles(app, { 'server.ts': SERVER });
    await expect(plan()).rejects.toMatchObject(refusal);
  });

  test.each(['', '[]', '{ "version": "0.1.0" }', '{ "folder": "../away" }'])(
    'with the record %j is refused',
    async (text) => {
      await writeFiles(app, { [RECORD_FILE]: text });
      await expect(plan()).rejects.toMatchObject({ code: 'record_invalid' });
    },
  );

  test('with a folder in place of the record is refused', async () => {
    await writeFiles(app, { [`${RECORD_FILE}/x`]: '' });
    await expect(plan()).rejects.toMatchObject({ code: 'record_invalid' });
  });
});

describe('choices', () => {
  test.each<[string, Choices, Files]>([
    ['a store without sign-in', choose(['bearer'], 'redis'), JAVASCRIPT],
    ['nothing to start in a new app', choose(['local-authkit']), {}],
  ])('are refused: %s', async (_, choices, files) => {
    await writeFiles(app, files);
    await expect(plan(choices)).rejects.toMatchObject({ code: 'usage' });
  });

  test('of the local AuthKit alone write it and no starter', async () => {
    await writeFiles(app, JAVASCRIPT);
    const { record, toDo } = await plan(choose(['local-authkit']));
    expect([record.starters, toDo]).toEqual([[], undefined]);
  });
});

const filesOf = (type: string, manifest: object = {}): Files => ({
  'package.json': JSON.stringify({ type, ...manifest }),
  'tsconfig.json': '{}',
});

const withServer = (files: Files): Files => ({ ...files, 'src/server.ts': SERVER });

describe('copies compile', () => {
  const LOGIN = "export const own = (app: { get(path: string): void }) => app.get('/login');\n";
  const EXPRESS_4 = { dependencies: { express: '^4.0.0' } };
  const ALL: Folder[] = ['auth', 'bearer', 'events', 'live', 'local-authkit'];
  type Copied = [files: Files, folders: Folder[], engine?: Engine];

  const bare = filesOf('module');
  const commonJs = filesOf('commonjs');

  const ESM: Copied[] = [
    [withServer(bare), ['auth']],
    [withServer(bare), ['bearer']],
    [withServer(bare), ['auth', 'bearer'], 'redis'],
    [withServer(bare), ['events'], 'postgres'],
    [{ ...withServer(bare), 'src/own.ts': LOGIN }, ALL, 'redis'],
    [withServer(filesOf('module', EXPRESS_4)), ALL],
    [bare, ['live'], 'postgres'],
    [bare, ALL],
    [filesOf('module', EXPRESS_4), ['bearer']],
  ];
  const COMMON_JS: Copied[] = [
    [withServer(filesOf('commonjs', EXPRESS_4)), ['auth', 'bearer'], 'postgres'],
    [commonJs, ['bearer']],
  ];

  /** Makes each copy in an app of its own, all of them below one project. */
  async function copyAll(project: string, copies: readonly Copied[]): Promise<void> {
    for (const [index, [files, folders, engine]] of copies.entries()) {
      app = join(project, `src/app-${index}`);
      await writeFiles(app, files);
      const { toDo } = await copy(choose(folders, engine));
      if (!toDo) continue;
      const server = join(app, toDo.server);
      await writeFile(server, pasted(await readFile(server, 'utf8'), toDo.lines));
    }
  }

  test.each<[string, object, readonly Copied[]]>([
    ['module', {}, ESM],
    // CommonJS in TypeScript is written with `import`, which this setting forbids.
    ['commonjs', { verbatimModuleSyntax: false }, COMMON_JS],
  ])(
    'with every strict flag, in apps of "type": "%s"',
    { timeout: 180_000 },
    async (type, changed, copies) => {
      const project = join(folder, type);
      await copyAll(project, copies);
      const dependencies = { ...shipped.ranges, express: '^5.0.0' };
      const settings = await strictSettings({ ...changed, declaration: false, noEmit: true });
      const exclude = ['**/local-authkit', '**/node_modules'];
      await writeFiles(project, {
        'package.json': JSON.stringify({ type, dependencies }),
        'tsconfig.json': JSON.stringify({ ...(JSON.parse(settings) as object), exclude }),
      });
      await linkDependencies(project);
      expect(await compile(project)).toBe('');
    },
  );
});

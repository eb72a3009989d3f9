// The layout of the project: no import cycle, copied folders without anything of their host, files
// of a readable size, comments that cite existing files, tests that mirror src. The last tests
// plant each fault in a temporary folder and find it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import {
  filesIn,
  findCycles,
  findForeignImports,
  findHostNames,
  findLongFiles,
  findMissingFiles,
  findRootFiles,
  findStrayTests,
  readSources,
} from '../support/reading/structure.ts';

const COPIED = ['src/auth', 'src/store', 'src/bearer', 'src/events', 'src/live'];
const MOST_LINES = 180;
/** The folders of test that have no counterpart in src. */
const TEST_FOLDERS = [
  'app',
  'copy',
  'deploy',
  'docs',
  'examples',
  'fixtures',
  'interop',
  'operations',
  'project',
  'support',
];
const variables = Object.keys(settings.shape);

const lines = (count: number) =>
  Array.from({ length: count }, (_, index) => `export const a${index} = 1;`);

describe('src', () => {
  const sources = readSources('.');

  test('is read completely by these tests', () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(sources.length);
    expect(variables).toContain('SESSION_SECRET');
  });

  test('has no import cycle, types included', () => {
    expect(findCycles(sources)).toEqual([]);
  });

  test.each(['src/auth', 'src/bearer', 'src/events', 'src/development/local-authkit'])(
    'imports only packages and files of the same folder in %s',
    (folder) => {
      expect(findForeignImports(sources, folder)).toEqual([]);
    },
  );

  test.each(['src/store', 'src/live'])(
    'imports only packages, files of the same folder and src/auth in %s',
    (folder) => {
      expect(findForeignImports(sources, folder, ['src/auth'])).toEqual([]);
    },
  );

  test('imports nothing but types of src/auth in src/live', () => {
    const live = sources.filter(({ path }) => path.startsWith('src/live/'));
    const imports = live.flatMap(({ code }) => code.filter((line) => line.includes("'../auth/")));
    expect(imports.length).toBeGreaterThan(0);
    expect(imports.filter((line) => !line.startsWith('import type '))).toEqual([]);
  });

  test('has at most three files outside its folders', () => {
    const files = findRootFiles(sources);
    expect(files.length, files.join(', ')).toBeLessThanOrEqual(3);
  });

  test(`has no file of more than ${MOST_LINES} lines of code`, () => {
    expect(findLongFiles(sources, MOST_LINES)).toEqual([]);
  });

  test('names no variable of the host in the copied folders, and reads no environment there', () => {
    expect(findHostNames(sources, COPIED, variables)).toEqual([]);
  });

  test('cites only existing files', () => {
    expect(findMissingFiles(sources, filesIn('.'))).toEqual([]);
  });
});

test('test mirrors src', () => {
  expect(findStrayTests(filesIn('.'), TEST_FOLDERS)).toEqual([]);
});

describe('the checks find', () => {
  const planted: Record<string, string[]> = {
    'docs/here.md': ['# Here'],
    'test/elsewhere.ts': [],
    'test/auth/session/own.test.ts': [],
    'test/auth/sessions/own.test.ts': [],
    'test/authority/deep/near.test.ts': [],
    'test/copy/any/thing.test.ts': [],
    'test/helpers/any.ts': [],
    'test/src/auth/own.test.ts': [],
    'test/circle/copy/own.test.ts': [],
    'src/one.ts': [],
    'src/two.ts': [],
    'src/three.d.ts': [],
    'src/four.ts': [],
    'src/config/long.ts': lines(181),
    'src/config/commented.ts': ['// The first.', '', '/**', ' * Two', ' */', ...lines(180), '  '],
    'src/circle/type-a.ts': ["import type { B } from './type-b.ts';", 'export type A = B;'],
    'src/circle/type-b.ts': ["export type B = import('./deep/type-c.ts').C;"],
    'src/circle/deep/type-c.ts': ['export type {', '  A as C,', "} from '../type-a.ts';"],
    'src/circle/late-a.ts': ["export const late = () => import('./late-b.ts');"],
    'src/circle/late-b.ts': ["import './late-a.ts';"],
    'src/circle/itself.ts': ["export * from './itself.ts';"],
    'src/circle/none.ts': ["import './type-a.ts';", "// import './none.ts';"],
    'src/auth/escape.ts': [
      "import { own } from './session/own.ts';",
      "import type { Config } from '../config/long.ts';",
      "export const lazy = () => import('../store/index.ts');",
      "export * from 'express';",
    ],
    'src/auth/session/own.ts': ["export { lazy as own } from '../escape.ts';"],
    'src/authority/near.ts': [],
    'src/bearer/near.ts': ["export * from '../authority/near.ts';"],
    'src/store/index.ts': ["import '../auth/escape.ts';", "import '../bearer/near.ts';"],
    'src/auth/host.ts': [
      '/** Sealed with SESSION_SECRET. */',
      "export const text = 'set `AUTHKIT_ISSUER`, not MY_BASE_URL or PORTS';",
      "export const { level } = process.env['LOG_LEVEL'];",
    ],
    'src/config/host.ts': ["export const secret = 'SESSION_SECRET';"],
    'src/demo/ghosts.ts': [
      '// See guide.md, docs/gone.md and `elsewhere.ts`; not docs/here.md, escape.ts, auth/escape.ts',
      '/** Nor Node.js, res.json(), https://example.com/a.md, *.test.ts, /styles.css, ./ghosts.ts; but ./one.ts */',
      '/*',
      ' * session/own.ts is here, store/own.ts is not.',
      ' */',
      "export const name = 'string.md'; // and neither is late.ts",
    ],
  };
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'structure-'));
    for (const [path, text] of Object.entries(planted)) {
      await mkdir(join(root, dirname(path)), { recursive: true });
      await writeFile(join(root, path), text.map((line) => `${line}\n`).join(''));
    }
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('import cycles by types, by dynamic imports and of a file with itself', () => {
    expect(findCycles(readSources(root))).toEqual([
      'src/auth/escape.ts -> src/auth/session/own.ts -> src/auth/escape.ts',
      'src/circle/deep/type-c.ts -> src/circle/type-a.ts -> src/circle/type-b.ts -> src/circle/deep/type-c.ts',
      'src/circle/itself.ts -> src/circle/itself.ts',
      'src/circle/late-a.ts -> src/circle/late-b.ts -> src/circle/late-a.ts',
      'src/store/index.ts -> src/auth/escape.ts -> src/store/index.ts',
    ]);
  });

  test('imports that leave a folder', () => {
    const sources = readSources(root);
    expect(findForeignImports(sources, 'src/auth')).toEqual([
      'src/auth/escape.ts imports src/config/long.ts',
      'src/auth/escape.ts imports src/store/index.ts',
    ]);
    expect(findForeignImports(sources, 'src/bearer')).toEqual([
      'src/bearer/near.ts imports src/authority/near.ts',
    ]);
    expect(findForeignImports(sources, 'src/store', ['src/auth'])).toEqual([
      'src/store/index.ts imports src/bearer/near.ts',
    ]);
  });

  test('files directly in src, and long files', () => {
    const sources = readSources(root);
    const files = ['src/four.ts', 'src/one.ts', 'src/three.d.ts', 'src/two.ts'];
    expect(findRootFiles(sources)).toEqual(files);
    expect(findLongFiles(sources, MOST_LINES)).toEqual([
      'src/config/long.ts has 181 lines of code',
    ]);
  });

  test('the host’s environment variables in copied folders', () => {
    expect(findHostNames(readSources(root), COPIED, variables)).toEqual([
      'src/auth/host.ts:1 says SESSION_SECRET',
      'src/auth/host.ts:2 says AUTHKIT_ISSUER',
      'src/auth/host.ts:3 says process.env',
      'src/auth/host.ts:3 says LOG_LEVEL',
    ]);
  });

  test('cited files that do not exist', () => {
    const cited = [
      'guide.md',
      'docs/gone.md',
      'elsewhere.ts',
      './one.ts',
      'store/own.ts',
      'late.ts',
    ];
    expect(findMissingFiles(readSources(root), filesIn(root))).toEqual(
      cited.map((name) => `src/demo/ghosts.ts cites ${name}`),
    );
  });

  test('test folders that do not mirror src, and files directly in test', () => {
    expect(findStrayTests(filesIn(root), ['copy'])).toEqual([
      'test/auth/sessions/own.test.ts',
      'test/authority/deep/near.test.ts',
      'test/circle/copy/own.test.ts',
      'test/elsewhere.ts',
      'test/helpers/any.ts',
      'test/src/auth/own.test.ts',
    ]);
  });
});

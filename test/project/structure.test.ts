// How the code lies: no import circle, folders to copy that hold nothing of their host, files of a
// size to read, comments that cite what is here. Planted in a folder of the test's own, each fault is
// found.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import {
  filesIn,
  findAtRoot,
  findCircles,
  findEscapes,
  findGhosts,
  findHostNames,
  findLong,
  readSources,
} from '../support/reading/structure.ts';

const COPIED = ['src/auth', 'src/store', 'src/bearer'];
const MOST_LINES = 180;
const variables = Object.keys(settings.shape);

const lines = (count: number) =>
  Array.from({ length: count }, (_, index) => `export const a${index} = 1;`);

describe('src', () => {
  const sources = readSources('.');

  test('is read as a whole', () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(sources.length);
    expect(variables).toContain('SESSION_SECRET');
  });

  test('has no import circle, types included', () => {
    expect(findCircles(sources)).toEqual([]);
  });

  test.each(['src/auth', 'src/bearer', 'src/development/local-authkit'])(
    'imports packages and own files only in %s',
    (folder) => {
      expect(findEscapes(sources, folder)).toEqual([]);
    },
  );

  test('imports packages, own files and src/auth only in src/store', () => {
    expect(findEscapes(sources, 'src/store', ['src/auth'])).toEqual([]);
  });

  test('has at most three files that lie in no folder', () => {
    const files = findAtRoot(sources);
    expect(files.length, files.join(', ')).toBeLessThanOrEqual(3);
  });

  test(`has no file of more than ${MOST_LINES} lines of code`, () => {
    expect(findLong(sources, MOST_LINES)).toEqual([]);
  });

  test('names no variable of the host in what is copied, and reads no environment there', () => {
    expect(findHostNames(sources, COPIED, variables)).toEqual([]);
  });

  test('cites only files that are here', () => {
    expect(findGhosts(sources, filesIn('.'))).toEqual([]);
  });
});

describe('what is planted is found:', () => {
  const planted: Record<string, string[]> = {
    'docs/here.md': ['# Here'],
    'test/elsewhere.ts': [],
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

  test('circles, by types, by dynamic imports and of a file with itself', () => {
    expect(findCircles(readSources(root))).toEqual([
      'src/auth/escape.ts -> src/auth/session/own.ts -> src/auth/escape.ts',
      'src/circle/deep/type-c.ts -> src/circle/type-a.ts -> src/circle/type-b.ts -> src/circle/deep/type-c.ts',
      'src/circle/itself.ts -> src/circle/itself.ts',
      'src/circle/late-a.ts -> src/circle/late-b.ts -> src/circle/late-a.ts',
      'src/store/index.ts -> src/auth/escape.ts -> src/store/index.ts',
    ]);
  });

  test('imports that leave a folder', () => {
    const sources = readSources(root);
    expect(findEscapes(sources, 'src/auth')).toEqual([
      'src/auth/escape.ts imports src/config/long.ts',
      'src/auth/escape.ts imports src/store/index.ts',
    ]);
    expect(findEscapes(sources, 'src/bearer')).toEqual([
      'src/bearer/near.ts imports src/authority/near.ts',
    ]);
    expect(findEscapes(sources, 'src/store', ['src/auth'])).toEqual([
      'src/store/index.ts imports src/bearer/near.ts',
    ]);
  });

  test('files at the root of src, and long ones', () => {
    const sources = readSources(root);
    const files = ['src/four.ts', 'src/one.ts', 'src/three.d.ts', 'src/two.ts'];
    expect(findAtRoot(sources)).toEqual(files);
    expect(findLong(sources, MOST_LINES)).toEqual(['src/config/long.ts has 181 lines of code']);
  });

  test('names of the host’s variables in copied folders', () => {
    expect(findHostNames(readSources(root), COPIED, variables)).toEqual([
      'src/auth/host.ts:1 says SESSION_SECRET',
      'src/auth/host.ts:2 says AUTHKIT_ISSUER',
      'src/auth/host.ts:3 says process.env',
      'src/auth/host.ts:3 says LOG_LEVEL',
    ]);
  });

  test('files that are cited and not there', () => {
    const cited = [
      'guide.md',
      'docs/gone.md',
      'elsewhere.ts',
      './one.ts',
      'store/own.ts',
      'late.ts',
    ];
    expect(findGhosts(readSources(root), filesIn(root))).toEqual(
      cited.map((name) => `src/demo/ghosts.ts cites ${name}`),
    );
  });
});

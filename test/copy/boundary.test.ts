// The lint rules guard the folders to copy: they import nothing of the demo and read no environment
// variable. Each violation is planted in a temporary folder, and the linter must find it.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const OXLINT = resolve('node_modules/oxlint/bin/oxlint');
const planted = [
  "import { config } from '../config/config.ts';",
  "import { pages } from '../demo/routes/pages.ts';",
  "import { version } from '../../package.json';",
  "import { env } from 'node:process';",
  "export * from '../process/log.ts';",
  "export type { RunningApp } from '../process/start.ts';",
  "export const late = await import('../development/defaults.ts');",
  "export const all = [config, pages, version, env, process.env['PORT']];",
];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'boundary-'));
  await cp('.oxlintrc.json', join(folder, '.oxlintrc.json'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The lines that the boundary rules report in a file of this folder. */
async function foundIn(name: string, lines: string[]): Promise<number[]> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, 'planted.ts'), `${lines.join('\n')}\n`);
  const args = [OXLINT, '--format', 'unix', name];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  );
  const found = stdout.matchAll(
    /planted\.ts:(\d+):.*\((?:no-restricted-imports|no-process-env)\)/g,
  );
  return [...found].map(([, line]) => Number(line)).toSorted((a, b) => a - b);
}

describe.each(['src/auth', 'src/bearer', 'src/live', 'src/store'])('lint of %s', (name) => {
  test('refuses imports of the demo and access to the environment', async () => {
    expect(await foundIn(name, planted)).toEqual(planted.map((_line, index) => index + 1));
  });

  test('allows packages and files of the same folder', async () => {
    const lines = ["import { hash } from 'node:crypto';", "export { own } from './own.ts';"];
    expect(await foundIn(name, [...lines, "export const id = hash('sha256', '');"])).toEqual([]);
  });
});

describe.each(['src/auth/session', 'src/auth/tokens', 'src/store/redis'])('lint of %s', (name) => {
  test('refuses imports of the demo and access to the environment', async () => {
    const deeper = planted.map((line) => line.replace("'../", "'../../"));
    expect(await foundIn(name, deeper)).toEqual(deeper.map((_line, index) => index + 1));
  });

  test('allows packages and files of the copied folder', async () => {
    const lines = ["import { hash } from 'node:crypto';", "export { own } from '../own.ts';"];
    expect(await foundIn(name, [...lines, "export const id = hash('sha256', '');"])).toEqual([]);
  });
});

test('lint allows only src/store and src/live to import another copied folder, namely src/auth', async () => {
  const records = ["export type { SessionRecords } from '../auth/session/records.ts';"];
  expect(await foundIn('src/store', records)).toEqual([]);
  expect(await foundIn('src/live', records)).toEqual([]);
  const deeper = ["export type { SessionRecords } from '../../auth/session/records.ts';"];
  expect(await foundIn('src/store/embedded', deeper)).toEqual([]);
  expect(await foundIn('src/bearer', records)).toEqual([1]);
  expect(await foundIn('src/auth', ["export { openStore } from '../store/index.ts';"])).toEqual([
    1,
  ]);
});

// A real copy of 0.1.0, as its README said to make one: what is told about it, and the way to 0.2.0.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseChangelog } from '../../src/copy/changelog.ts';
import { describeFirstVersion, examineFirstVersion } from '../../src/copy/first-version.ts';
import { findRelease, hashOf, readReleases, type Archive } from '../../src/copy/releases.ts';
import { readText } from '../support/reading/markdown.ts';
import { filesIn } from '../support/reading/structure.ts';

const releases = parseChangelog(readText('CHANGELOG.md'));
const archives = await readReleases();
const archiveOf = (version: string): Archive => {
  const found = archives.find((archive) => archive.version === version);
  if (!found) throw new Error(`no release ${version}`);
  return found;
};
const first = archiveOf('0.1.0');
const next = archiveOf('0.2.0');

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'first-version-'));
  for (const [name, text] of Object.entries(first.files)) {
    const path = join(root, 'as-copied/src', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
});
afterAll(() => rm(root, { recursive: true }));

/** A copy in a folder of its own, changed by `change`; returns its files by the names of the archive. */
async function copyOf(name: string, change: (src: string) => Promise<void>) {
  const app = join(root, name);
  await cp(join(root, 'as-copied'), app, { recursive: true });
  await change(join(app, 'src'));
  const names = filesIn(join(app, 'src'));
  const entries = names.map(async (path) => [path, await readFile(join(app, 'src', path), 'utf8')]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, string>;
}
const append = async (path: string, text: string) =>
  writeFile(path, (await readFile(path, 'utf8')) + text);
const exportsOf = (text = '') =>
  [...text.matchAll(/^export (?:async )?(?:function|class|interface|type|const) (\w+)/gm)].map(
    ([, name = '']) => name,
  );
const examine = (found: Record<string, string>) => examineFirstVersion(found, first, releases);

describe('the archive of 0.1.0', () => {
  test('says of each file where its code is in 0.2.0', () => {
    const moved = first.moved ?? {};
    const lost = Object.keys(first.files).filter(
      (name) => !(name in moved) && !(name in next.files),
    );
    expect(lost).toEqual([]);
    expect(Object.keys(moved).filter((name) => !(name in first.files))).toEqual([]);
    expect(
      Object.values(moved)
        .flat()
        .filter((name) => !(name in next.files)),
    ).toEqual([]);
  });

  test('says so truly: what a file exports is in the files named, under its name or another', () => {
    const sources = Object.keys(next.files).filter((name) => name.endsWith('.ts'));
    const wrong = Object.entries(first.moved ?? {}).flatMap(([name, targets]) =>
      exportsOf(first.files[name]).flatMap((exported) => {
        const homes = sources.filter((path) => exportsOf(next.files[path]).includes(exported));
        const inFolder = homes.filter((path) => path.startsWith(name.slice(0, name.indexOf('/'))));
        const isThere = inFolder.length === 0 || inFolder.some((path) => targets.includes(path));
        return isThere ? [] : [`${name}: ${exported} is in ${inFolder.join(', ')}`];
      }),
    );
    expect(wrong).toEqual([]);
  });
});

describe('a copy of 0.1.0', () => {
  test('is recognized without a record, changed or not', async () => {
    const found = await copyOf('recognized', async (src) => {
      await append(join(src, 'auth/exchange.ts'), '// mine\n');
      await writeFile(join(src, 'server.ts'), '');
    });
    const hashes = Object.entries(found).map(([name, text]) => [name, hashOf(text)]);
    const fit = findRelease(archives, Object.fromEntries(hashes) as Record<string, string>);
    expect(fit?.archive.version).toBe('0.1.0');
    expect(fit?.exact).toBe(Object.keys(first.files).length - 1);
  });

  test('that is unchanged needs no work on its files', async () => {
    const report = examine(await copyOf('unchanged', async () => undefined));
    expect(report.files).toHaveLength(Object.keys(first.files).length);
    expect(report.files.filter(({ isChanged }) => isChanged)).toEqual([]);
    expect(report.added).toEqual([]);
    const text = describeFirstVersion(report);
    expect(text).toContain('63 files unchanged since 0.1.0.\nNothing of yours is in them.');
    expect(text).not.toContain('changed by you');
    expect(text).not.toContain('Make your changes again');
  });

  test('that was changed is told where each change belongs now', async () => {
    const found = await copyOf('changed', async (src) => {
      await append(join(src, 'auth/exchange.ts'), '// mine\n');
      await append(join(src, 'auth/browser.ts'), '// mine\n');
      await append(join(src, 'bearer/errors.ts'), '// mine\n');
      await writeFile(join(src, 'store/own.ts'), '');
      await writeFile(join(src, 'server.ts'), '');
    });
    const report = examine(found);
    expect(report.files.filter(({ isChanged }) => isChanged)).toEqual([
      { name: 'auth/browser.ts', isChanged: true, now: [] },
      { name: 'auth/exchange.ts', isChanged: true, now: ['auth/tokens/refresh.ts'] },
      { name: 'bearer/errors.ts', isChanged: true, now: ['bearer/errors.ts'] },
    ]);
    expect(report.added).toEqual(['store/own.ts']);
    const lines = describeFirstVersion(report).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        '60 files unchanged since 0.1.0.',
        '3 files changed by you:',
        '  auth/browser.ts: 0.2.0 has no such code',
        '  auth/exchange.ts: its code is in auth/tokens/refresh.ts',
        '1 file added by you:',
        '  store/own.ts',
        '  2. Move the files that you added out of the copied folders.',
        '  3. Delete the copied folders (auth, bearer, store), and copy 0.2.0 with init.',
        '  4. Make your changes again, in the files named above.',
      ]),
    );
  });

  test('with the line ends of Windows counts as unchanged', async () => {
    const found = await copyOf('windows', async (src) => {
      const path = join(src, 'auth/index.ts');
      await writeFile(path, (await readFile(path, 'utf8')).replaceAll('\n', '\r\n'));
    });
    expect(examine(found).files.filter(({ isChanged }) => isChanged)).toEqual([]);
  });

  test('is told the faults of its folders only, those of security first', async () => {
    const found = await copyOf('bearer-only', async (src) => {
      await rm(join(src, 'auth'), { recursive: true });
      await rm(join(src, 'store'), { recursive: true });
    });
    const report = examine(found);
    const all = examine(first.files);
    expect(report.faults.length).toBeGreaterThan(0);
    for (const { folders } of report.faults) expect(folders).toContain('bearer');
    for (const { folders } of report.toFollow) expect(folders).toContain('bearer');
    const sections = all.faults.map(({ section }) => section);
    expect(sections).toEqual(sections.toSorted().toReversed());
    const text = describeFirstVersion(report);
    expect(text).toContain('Security faults of 0.1.0 in this copy:\n  bearer: ID tokens at an API');
    expect(text).not.toContain('Other faults');
    expect(describeFirstVersion(all)).toContain('\n  auth: A form of one user');
  });
});

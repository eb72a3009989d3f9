// The archives in releases/, from which copies are updated: that they are what can be copied, and how a
// copy without a record is told to be of one of them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copiedFiles, refusalOf, refusalToReplace } from '../../scripts/release-files.ts';
import {
  foldersToCopyAgain,
  parseChangelog,
  UNRELEASED,
  type Entry,
  type Release,
} from '../../src/copy/changelog.ts';
import {
  contentOf,
  findRelease,
  formatArchive,
  hashOf,
  readReleases,
  versionsOf,
  type Archive,
} from '../../src/copy/releases.ts';
import { filesIn } from '../support/reading/structure.ts';
import { readText } from '../support/reading/markdown.ts';

const folderOf = (name: string) => name.slice(0, name.indexOf('/'));
const changelog = parseChangelog(readText('CHANGELOG.md'));
const archives = await readReleases();
const [newest] = archives;
if (!newest) throw new Error('no release');

describe('the releases', () => {
  test('are the versions of CHANGELOG.md, with their dates', () => {
    const released = changelog.filter(({ version }) => version !== UNRELEASED);
    expect(archives.map(({ version, date }) => [version, date])).toEqual(
      released.map(({ version, date }) => [version, date]),
    );
    expect(versionsOf(archives)).toEqual(released.map(({ version }) => version));
  });

  test.each(archives)('have $version as npm run release writes it', (archive) => {
    const text = readText(`releases/${archive.version}.json`);
    expect(text === formatArchive(archive)).toBe(true);
    expect(text).toContain('\n    "auth/index.ts": "');
  });

  test.each(archives)('have all that the TypeScript of $version imports', ({ files }) => {
    const names = Object.keys(files).filter((name) => /(?<!\.d)\.ts$/.test(name));
    const missing = names.flatMap((name) =>
      [...(files[name] ?? '').matchAll(/\b(?:from|import\() ?'(\.[^']+\.ts)'/g)]
        .map(([, path = '']) => new URL(path, `file:///${name}`).pathname.slice(1))
        .filter((path) => !Object.hasOwn(files, path)),
    );
    expect(names.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });
});

describe('the newest release', () => {
  let built: Record<string, string>;
  beforeAll(async () => {
    built = await copiedFiles();
  });

  test('has the folders to copy, but for what is under Unreleased in CHANGELOG.md', () => {
    const names = [...new Set([...Object.keys(built), ...Object.keys(newest.files)])];
    const changed = names.filter((name) => built[name] !== contentOf(newest, name));
    const announced = foldersToCopyAgain(changelog.filter((r) => r.version === UNRELEASED));
    // npm run release -- --force before the version is published; afterwards, an entry.
    expect(changed.filter((name) => !announced.includes(folderOf(name)))).toEqual([]);
  });

  test.each(['auth', 'bearer', 'events', 'live', 'store'])(
    'has each file of src/%s as TypeScript and as JavaScript',
    (folder) => {
      const sources = filesIn('.', `src/${folder}`).map((path) => path.slice('src/'.length));
      const names = Object.keys(built).filter((name) => folderOf(name) === folder);
      const both = sources.flatMap((name) => [name, name.replace(/ts$/, 'js')]);
      expect(names.toSorted()).toEqual(both.toSorted());
    },
  );

  test('has the local AuthKit as JavaScript, with its types, views and styles', () => {
    expect(built['local-authkit/start.js']).toContain("from './app.js'");
    expect(built['local-authkit/start.d.ts']).toContain('function startLocalAuthKit');
    expect(Object.keys(built)).not.toContain('local-authkit/start.ts');
    for (const name of ['views/login.eta', 'views/assets/styles.css', 'views/assets/icon.svg'])
      expect(built[`local-authkit/${name}`]).toBe(
        readText(`src/development/local-authkit/${name}`),
      );
    const manifest: unknown = JSON.parse(built['local-authkit/package.json'] ?? '');
    expect(manifest).toMatchObject({ type: 'module' });
  });

  test('names no map of the sources, which a copy does not have', () => {
    expect(Object.values(built).filter((text) => text.includes('sourceMappingURL'))).toEqual([]);
  });
});

const FAULT: Entry = { section: 'Fixed', folders: ['auth'], text: 'A fault.' };
const releaseOf = (version: string, entries: Entry[] = []): Release => ({
  version,
  date: '2026-01-01',
  entries,
});

describe('a release', () => {
  test('is refused for a version that the changelog does not have', () => {
    expect(refusalOf('0.3.0', [releaseOf(UNRELEASED), releaseOf('0.2.0', [FAULT])])).toContain(
      'Add "## [0.3.0] - <date>" below Unreleased',
    );
  });

  test('is refused while the changelog has entries under Unreleased', () => {
    const text = refusalOf('0.2.0', [releaseOf(UNRELEASED, [FAULT]), releaseOf('0.2.0', [FAULT])]);
    expect(text).toContain('Move them to a version');
    expect(
      refusalOf('0.2.0', [releaseOf(UNRELEASED), releaseOf('0.2.0', [FAULT])]),
    ).toBeUndefined();
    expect(refusalOf('0.2.0', [releaseOf('0.2.0', [FAULT])])).toBeUndefined();
  });

  test('replaces an archive with other content only by force', () => {
    expect(refusalToReplace('0.2.0', undefined, 'new', false)).toBeUndefined();
    expect(refusalToReplace('0.2.0', 'same', 'same', false)).toBeUndefined();
    expect(refusalToReplace('0.2.0', 'old', 'new', true)).toBeUndefined();
    expect(refusalToReplace('0.2.0', 'old', 'new', false)).toContain('npm run release -- --force');
  });
});

describe('a copy without a record', () => {
  const one: Archive = {
    version: '0.9.0',
    date: '2026-01-01',
    files: { 'a/x.ts': '1', 'a/y.ts': '1' },
  };
  const two: Archive = {
    version: '0.10.0',
    date: '2026-01-02',
    files: { 'a/x.ts': '1', 'a/z.ts': '2' },
  };
  const three: Archive = { version: '0.11.0', date: '2026-01-03', files: { 'a/x.ts': '3' } };
  const all = [three, one, two];
  const find = (found: Record<string, string>) => {
    const hashes = Object.entries(found).map(([name, text]) => [name, hashOf(text)]);
    const fit = findRelease(all, Object.fromEntries(hashes) as Record<string, string>);
    return fit && [fit.archive.version, fit.exact, fit.named];
  };

  test.each([
    ['the version with the most exact files', { 'a/x.ts': '1', 'a/y.ts': '1' }, ['0.9.0', 2, 2]],
    [
      'with the most names if as many are exact',
      { 'a/x.ts': '1', 'a/y.ts': 'own' },
      ['0.9.0', 1, 2],
    ],
    ['the newest if all else is equal', { 'a/x.ts': '1' }, ['0.10.0', 1, 1]],
    ['by names alone if all was changed', { 'a/x.ts': 'own', 'a/z.ts': 'own' }, ['0.10.0', 0, 2]],
    ['also with other files', { 'a/x.ts': '3', 'b/own.ts': '1' }, ['0.11.0', 1, 1]],
    ['of no version if it has none of their files', { toString: '1', 'b/x.ts': '1' }, undefined],
  ])('is %s', (_, found, expected) => {
    expect(find(found)).toEqual(expected);
  });

  test.each(archives)('of $version is found, with the line ends of Windows too', (archive) => {
    const entries = Object.entries(archive.files);
    const hashes = entries.map(([name, text]) => [name, hashOf(text.replaceAll('\n', '\r\n'))]);
    const fit = findRelease(archives, Object.fromEntries(hashes) as Record<string, string>);
    expect(fit?.archive.version).toBe(archive.version);
    expect(fit?.exact).toBe(entries.length);
  });
});

describe('a folder of releases', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'releases-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('is read newest first, by number', async () => {
    for (const version of ['0.9.0', '0.10.0']) {
      const archive = { version, date: '2026-01-01', files: { b: '2', a: '1' } };
      await writeFile(join(folder, `${version}.json`), formatArchive(archive));
    }
    const read = await readReleases(folder);
    expect(versionsOf(read)).toEqual(['0.10.0', '0.9.0']);
    expect(Object.keys(read[0]?.files ?? {})).toEqual(['a', 'b']);
  });

  test.each(['', '{', '[]', '{"version":"0.3.0","date":"2026-01-01","files":{"a":1}}'])(
    'with the damaged archive "%s" is refused by its name',
    async (text) => {
      const path = join(folder, '0.3.0.json');
      await writeFile(path, text);
      await expect(readReleases(folder)).rejects.toThrow(`${path} is damaged`);
    },
  );
});

// CHANGELOG.md as a program reads it: which version changed what in which copied folder.
import { describe, expect, test } from 'vitest';
import {
  compareVersions,
  foldersToCopyAgain,
  parseChangelog,
  releasesBetween,
  securityFixes,
  UNRELEASED,
} from '../../src/copy/changelog.ts';
import { inlineCode, readText, section } from '../support/reading/markdown.ts';

const SMALL = `# Changelog

Anything may be said here.

## [Unreleased]

### Fixed

- **demo**: A page.

## [0.10.0] - 2026-03-01

Copy again: \`src/auth\`.

### Security

- **auth, docs**: One fault,
  on two lines.

## [0.9.0] - 2026-02-01

### Added

- **store**: A store.
- **auth, store**: Both.

### Security

- **store**: Another fault.

## [0.2.0] - 2026-01-01

### Added

- **bearer**: The first.
`;

describe('a changelog', () => {
  const releases = parseChangelog(SMALL);

  test('is read as releases, each with its entries', () => {
    expect(releases.map(({ version, date }) => [version, date])).toEqual([
      [UNRELEASED, ''],
      ['0.10.0', '2026-03-01'],
      ['0.9.0', '2026-02-01'],
      ['0.2.0', '2026-01-01'],
    ]);
    expect(releases[0]?.entries).toEqual([{ section: 'Fixed', folders: [], text: 'A page.' }]);
    expect(releases[1]?.entries).toEqual([
      { section: 'Security', folders: ['auth'], text: 'One fault, on two lines.' },
    ]);
  });

  test('is read the same with the line ends of Windows', () => {
    expect(parseChangelog(SMALL.replaceAll('\n', '\r\n'))).toEqual(releases);
  });

  test.each([
    ['0.2.0', '0.10.0', ['0.10.0', '0.9.0']],
    ['0.2.0+3.g1234567', '0.9.0', ['0.9.0']],
    ['0.9.0', '0.10.0+main', ['0.10.0']],
    ['0.10.0', '0.10.0', []],
    ['0.10.0', '0.2.0', []],
  ])('has after %s, up to %s, the releases %j', (from, to, versions) => {
    expect(releasesBetween(releases, from, to).map(({ version }) => version)).toEqual(versions);
  });

  test.each(['', '1.2', 'v1.2.3', '1.2.3-beta', UNRELEASED])('has no version "%s"', (version) => {
    expect(() => releasesBetween(releases, version, '0.10.0')).toThrow(
      `"${version}" is no version such as 0.2.0`,
    );
  });

  test('says which folders to copy again', () => {
    expect(foldersToCopyAgain(releasesBetween(releases, '0.2.0', '0.10.0'))).toEqual([
      'auth',
      'store',
    ]);
  });

  test.each([
    [['auth', 'bearer'], ['One fault, on two lines.']],
    [['store'], ['Another fault.']],
    [['bearer'], []],
  ])('says which security fixes concern a copy of %j', (folders, texts) => {
    expect(securityFixes(releases, folders).map(({ text }) => text)).toEqual(texts);
  });

  test.each([
    ['no version', '# Changelog\n\n## [Unreleased]\n', 'CHANGELOG.md has no version'],
    ['nothing', '', 'CHANGELOG.md has no version'],
    ['a heading without a date', '## [1.0.0]', 'line 1: expected "## [1.2.3] - 2026-01-31"'],
    ['a heading of another form', '## 1.0.0 - 2026-01-01', 'line 1: expected'],
    ['an order of its own', `${SMALL}\n## [0.9.1] - 2026-01-01`, '0.9.1 is not older than 0.2.0'],
    ['a version twice', `${SMALL}\n## [0.2.0] - 2026-01-01`, '0.2.0 is not older than 0.2.0'],
    ['Unreleased below', `${SMALL}\n## [Unreleased]`, 'Unreleased is not the first heading'],
    ['another section', `${SMALL}\n### Improved`, 'no section of this name'],
    ['an early entry', '## [1.0.0] - 2026-01-01\n\n- **auth**: A.', 'line 3: an entry outside of'],
    ['an entry without folders', `${SMALL}- A thing.`, 'an entry begins with its folders'],
    ['an entry without text', `${SMALL}- **auth**: `, 'an entry begins with its folders'],
    ['a misspelled folder', `${SMALL}- **auht, store**: A.`, '"auht" is none of auth, store'],
    ['a stray paragraph', `${SMALL}\nAnd more.`, 'neither an entry nor a heading'],
  ])('with %s is refused', (_, markdown, message) => {
    expect(() => parseChangelog(markdown)).toThrow(message);
  });
});

describe('CHANGELOG.md', () => {
  const markdown = readText('CHANGELOG.md');
  const releases = parseChangelog(markdown);
  const versions = releases.filter(({ version }) => version !== UNRELEASED);

  test('begins with Unreleased, then the version of package.json', () => {
    const { version } = JSON.parse(readText('package.json')) as { version: string };
    expect(releases.map((release) => release.version).slice(0, 2)).toEqual([UNRELEASED, version]);
    const locked = JSON.parse(readText('package-lock.json')) as { version: string };
    expect(locked.version).toBe(version);
  });

  test('has dates in the order of the versions', () => {
    const dates = versions.map(({ date }) => date);
    expect(dates).toEqual(dates.toSorted().toReversed());
    expect(versions.map(({ version }) => version)).toEqual(
      versions.map(({ version }) => version).toSorted((one, other) => compareVersions(other, one)),
    );
  });

  test.each(versions)('$version says in one line to copy the folders of its entries', (release) => {
    const text = section(markdown, `[${release.version}] - ${release.date}`);
    const lines = text.split('\n').filter((line) => line.startsWith('Copy again: '));
    expect(lines).toHaveLength(1);
    const named = inlineCode(lines[0] ?? '').map((path) =>
      path.replace(/^src\/(?:development\/)?/, ''),
    );
    expect(named.toSorted()).toEqual(foldersToCopyAgain([release]));
  });

  test('names what a copy of 0.1.0 has to fear', () => {
    const fixes = securityFixes(releasesBetween(releases, '0.1.0', '0.2.0'), ['auth', 'bearer']);
    expect(fixes.length).toBeGreaterThan(5);
    for (const { text } of fixes) expect(text).toMatch(/^[A-Z`].+[.)]$/);
  });
});

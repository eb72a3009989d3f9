// `diff` and `doctor` say how a copy and this version differ, also of copies without a record: those
// made by hand, those of 0.1.0, and those of a checkout between two releases.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diff } from '../../src/copy/diff.ts';
import { examineCopy } from '../../src/copy/doctor.ts';
import { readRecord, RECORD_FILE } from '../../src/copy/record.ts';
import { readReleases, type Archive } from '../../src/copy/releases.ts';
import type { Engine, Format, Shipped } from '../../src/copy/shipped.ts';
import { isSelected } from '../../src/copy/shipped.ts';
import { versionOf } from '../../src/copy/versions.ts';
import {
  copiedApp,
  editFiles,
  nextPackage,
  recordingTerminal,
  releasedPackage,
  snapshot,
  updated,
} from '../support/app/copy-package.ts';

const NEWS = `## [0.3.0] - 2027-01-01

Copy again: \`src/auth\`, \`src/bearer\`.

### Security

- **bearer**: A forged token is refused.
- **auth**: A forged response is refused.

`;
const folders: string[] = [];
let archives: Archive[];
let first: Shipped;
let next: Shipped;
beforeAll(async () => {
  archives = await readReleases();
  first = await releasedPackage('0.2.0');
  next = await nextPackage(first, '0.3.0', {
    'src/auth/guards.ts': (text) => `// Here.\n${text}`,
    'CHANGELOG.md': (text) => text.replace('## [0.2.0]', `${NEWS}## [0.2.0]`),
  });
  folders.push(first.root, next.root);
});
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

function emptyApp(): string {
  const app = mkdtempSync(join(tmpdir(), 'copy-app-'));
  folders.push(app);
  editFiles(app, { 'package.json': '{ "type": "module" }' });
  return app;
}

/** What the command says, and its result. */
async function told(command: typeof examineCopy, shipped: Shipped, app: string) {
  const terminal = recordingTerminal();
  const isLeft = await command(shipped, shipped.version, app, terminal);
  return { isLeft, said: terminal.said.join('\n'), result: terminal.results[0] as object };
}

const withPatches: typeof examineCopy = (shipped, version, app, terminal) =>
  diff(shipped, version, app, false, terminal);
const namesOnly: typeof examineCopy = (shipped, version, app, terminal) =>
  diff(shipped, version, app, true, terminal);

describe('a copy of the last version', () => {
  let app: string;
  beforeAll(async () => {
    app = await copiedApp(first);
    folders.push(app);
    editFiles(app, {
      'src/authkit/auth/forms.ts': (text) => `${text}// There.\n`,
      'src/authkit/auth/issuer.ts': undefined,
    });
  });

  test('is up to date by the command of that version', async () => {
    const { isLeft, said, result } = await told(examineCopy, first, app);
    expect(isLeft).toBe(false);
    expect(said).toContain('src/authkit has a copy of version 0.2.0 (auth, store)');
    expect(said).toContain('It is up to date.\nIt has every security fix of this version.');
    expect(result).toMatchObject({ isBehind: false, isRecorded: true, missingSecurityFixes: [] });
  });

  test('lacks the security fixes of its folders in the next version, and of no other', async () => {
    const { isLeft, said, result } = await told(examineCopy, next, app);
    expect(isLeft).toBe(true);
    expect(said).toContain('This is version 0.3.0: run update.');
    expect(said).toContain('It lacks these fixes that matter for security:\n  - A forged response');
    expect(said).not.toContain('A forged token');
    expect(result).toMatchObject({
      version: '0.2.0',
      newest: '0.3.0',
      isBehind: true,
      changed: ['src/authkit/auth/forms.ts', 'src/authkit/auth/issuer.ts'],
      missing: ['src/authkit/auth/issuer.ts'],
      missingSecurityFixes: [{ version: '0.3.0', text: 'A forged response is refused.' }],
    });
  });

  test('is compared with the next version, line by line', async () => {
    const { isLeft, said } = await told(withPatches, next, app);
    expect(isLeft).toBe(true);
    const [there = '', here = ''] = said.split('Changed in this version since 0.2.0:');
    expect(there).toContain('+++ src/authkit/auth/forms.ts');
    expect(there).toContain('\n+// There.\n');
    expect(there).toContain('+++ /dev/null');
    expect(here).toContain('+++ src/authkit/auth/guards.ts');
    expect(here).toContain('\n+// Here.\n');
    expect(here).toContain('Security:\n  - auth: A forged response is refused.');
  });

  test('of a version without an archive is compared with what the checkout has', async () => {
    const unreleased = await copiedApp(next);
    folders.push(unreleased);
    editFiles(unreleased, { 'src/authkit/auth/guards.ts': (text) => `${text}// There.\n` });
    const { said } = await told(withPatches, next, unreleased);
    const added = said.split('\n').filter((line) => /^\+(?!\+)/.test(line));
    expect(added).toEqual(['+// There.']);
  });

  test('is compared by names alone', async () => {
    const { said, result } = await told(namesOnly, next, app);
    expect(said).toContain('Changed in this version since 0.2.0:\n  src/authkit/auth/guards.ts');
    expect(said).not.toContain('+++');
    expect(result).toMatchObject({ changedHere: [{ path: 'src/authkit/auth/guards.ts' }] });
  });

  test('has no differences when nothing was changed', async () => {
    const unchanged = await copiedApp(first);
    folders.push(unchanged);
    const { isLeft, said } = await told(withPatches, first, unchanged);
    expect(isLeft).toBe(false);
    expect(said).toContain('Changed by you: nothing.');
    expect(said).toContain('Changed in this version since 0.2.0: nothing.');
  });

  test('that is newer than this version is told so', async () => {
    const newer = await copiedApp(next);
    folders.push(newer);
    const { isLeft, said, result } = await told(examineCopy, first, newer);
    expect([isLeft, result]).toMatchObject([true, { isBehind: false, isNewer: true }]);
    expect(said).toContain('This is version 0.2.0, which is older');
  });
});

describe.each<[string, Engine, Format, string]>([
  ['with a SQLite file', 'embedded', 'ts', 'src'],
  ['with Redis', 'redis', 'ts', 'src'],
  ['with PostgreSQL', 'postgres', 'ts', 'lib/sign-in'],
  ['with every engine', 'any', 'ts', ''],
  ['of JavaScript', 'embedded', 'js', 'authkit'],
])('a copy made by hand %s', (_what, engine, format, folder) => {
  const selection = { folders: ['auth', 'store'], format, engine } as const;
  let app: string;
  beforeAll(() => {
    app = emptyApp();
    const archive = archives.find(({ version }) => version === '0.2.0');
    for (const [name, text] of Object.entries(archive?.files ?? {})) {
      if (isSelected(name, selection)) editFiles(app, { [join(folder, name)]: text });
    }
    editFiles(app, { [join(folder, `auth/forms.${format}`)]: (text) => `${text}// There.\n` });
  });

  test('is recognized by its files', async () => {
    const { result, said } = await told(examineCopy, first, app);
    expect(result).toMatchObject({ version: '0.2.0', folder, isRecorded: false, isBehind: false });
    expect(result).toMatchObject({ changed: [join(folder, `auth/forms.${format}`)], missing: [] });
    expect(said).toContain('made by hand');
  });

  test('is updated, and has a record then', { timeout: 60_000 }, async () => {
    const edited = format === 'ts' ? 'src' : 'dist';
    const newer = await nextPackage(first, '0.3.0', {
      [`${edited}/auth/forms.${format}`]: (text) => `// Here.\n${text}`,
    });
    folders.push(newer.root);
    const { isLeft, result } = await updated(newer, app);
    expect(isLeft).toBe(false);
    const path = join(folder, `auth/forms.${format}`);
    expect(result.files).toEqual([{ path, result: 'merged' }]);
    expect(snapshot(app)[path]).toMatch(/^\/\/ Here\.\n[^]*\/\/ There\.\n$/);
    expect(await readRecord(app)).toMatchObject({ version: '0.3.0', folder, engine, format });
  });
});

describe('a copy of 0.1.0', () => {
  let app: string;
  beforeAll(() => {
    app = emptyApp();
    const archive = archives.find(({ version }) => version === '0.1.0');
    for (const [name, text] of Object.entries(archive?.files ?? {})) {
      if (name.startsWith('auth/') || name.startsWith('store/')) {
        editFiles(app, { [`src/${name}`]: text });
      }
    }
    editFiles(app, { 'src/auth/guards.ts': (text) => `${text}// There.\n` });
  });

  test.each([
    ['doctor', examineCopy],
    ['diff', withPatches],
  ])('gets a report from %s', async (_name, command) => {
    const { isLeft, said, result } = await told(command, first, app);
    expect(isLeft).toBe(true);
    expect(said).toContain('This is a copy of 0.1.0.');
    expect(said).toContain('Security faults of 0.1.0 in this copy:');
    expect(result).toMatchObject({ version: '0.1.0' });
  });

  test('gets the same from update, which changes nothing', async () => {
    const before = snapshot(app);
    const { isLeft, said } = await updated(first, app);
    expect([isLeft, said]).toEqual([true, expect.stringContaining('auth/guards.ts')]);
    expect(snapshot(app)).toEqual(before);
  });
});

describe('a copy of a checkout between two releases', () => {
  test('names the commit, which is what an update merges from', { timeout: 60_000 }, async () => {
    const checkout = await nextPackage(first, '0.2.0', {
      'src/auth/guards.ts': (text) => `// Not yet released.\n${text}`,
    });
    folders.push(checkout.root);
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], {
        cwd: checkout.root,
        encoding: 'utf8',
      }).trim();
    git('init', '-q');
    git('add', '.');
    git('commit', '-q', '-m', 'feat: not yet released');
    const version = await versionOf(checkout, archives);
    expect(version).toBe(`0.2.0+${git('rev-parse', '--short', 'HEAD')}`);

    const app = await copiedApp({ ...checkout, version });
    folders.push(app);
    expect(JSON.parse(readFileSync(join(app, RECORD_FILE), 'utf8'))).toMatchObject({ version });
    editFiles(app, { 'src/authkit/auth/guards.ts': (text) => `${text}// There.\n` });
    cpSync(join(next.root, 'src/auth/guards.ts'), join(checkout.root, 'src/auth/guards.ts'));
    const { isLeft } = await updated({ ...checkout, version: '0.3.0' }, app);
    expect(isLeft).toBe(false);
    expect(snapshot(app)['src/authkit/auth/guards.ts']).toMatch(
      /^\/\/ Here\.\n(?!\/\/ Not yet)[^]*\/\/ There\.\n$/,
    );
  });

  test('says so where there is no git, and an update leaves its changed files alone', async () => {
    const unpacked = await nextPackage(first, '0.2.0', {
      'src/auth/guards.ts': (text) => `// Not yet released.\n${text}`,
    });
    folders.push(unpacked.root);
    const version = await versionOf(unpacked, archives);
    expect(version).toBe('0.2.0+unreleased');
    const app = await copiedApp({ ...unpacked, version });
    folders.push(app);
    editFiles(app, { 'src/authkit/auth/guards.ts': (text) => `${text}// There.\n` });
    const before = snapshot(app)['src/authkit/auth/guards.ts'];
    const { result } = await updated(next, app);
    expect(result.files).toEqual([{ path: 'src/authkit/auth/guards.ts', result: 'beside' }]);
    expect(snapshot(app)['src/authkit/auth/guards.ts']).toBe(before);
  });
});

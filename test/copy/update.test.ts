// `update` brings a copy to another version and keeps what was changed in the app: in each state that
// a file can have on both sides.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { diff } from '../../src/copy/diff.ts';
import { examineCopy } from '../../src/copy/doctor.ts';
import { RECORD_FILE, readRecord } from '../../src/copy/record.ts';
import { hashOf } from '../../src/copy/releases.ts';
import type { Shipped } from '../../src/copy/shipped.ts';
import {
  copiedApp,
  editFiles,
  nextPackage,
  recordingTerminal,
  releasedPackage,
  snapshot,
  updated,
  type Edits,
} from '../support/app/copy-package.ts';

const COPY = 'src/authkit/auth';
const NEWS = `## [0.3.0] - 2027-01-01

Copy again: \`src/auth\`, \`src/bearer\`.

### Security

- **auth, bearer**: A forged thing is refused.

### Fixed

- **bearer**: Nothing that this app has.
`;

/** What version 0.3.0 changes. */
const HERE: Edits = {
  'src/auth/index.ts': above('// Here.'),
  'src/auth/errors.ts': above('// Here.'),
  'src/auth/guards.ts': above('// Here.'),
  'src/auth/forms.ts': above('// Here.'),
  'src/auth/events.ts': above('// The same.'),
  'src/auth/issuer.ts': above('// Here.'),
  'src/auth/context.ts': above('// Here.'),
  'src/auth/fetch-metadata.ts': undefined,
  'src/auth/request.ts': undefined,
  'src/auth/new.ts': '// New here.\n',
  'src/auth/new-on-both.ts': '// New here.\n',
  'CHANGELOG.md': (text) => text.replace('## [0.2.0]', `${NEWS}\n## [0.2.0]`),
};

/** What the app has changed. */
const THERE: Edits = {
  [`${COPY}/errors.ts`]: (text) => `${text}// There.\n`,
  [`${COPY}/guards.ts`]: above('// There.'),
  [`${COPY}/forms.ts`]: (text) => `${text}// There.\n`.replaceAll('\n', '\r\n'),
  [`${COPY}/events.ts`]: above('// The same.'),
  [`${COPY}/issuer.ts`]: undefined,
  [`${COPY}/context.ts`]: (text) => text.replaceAll('\n', '\r\n'),
  [`${COPY}/request.ts`]: above('// There.'),
  [`${COPY}/new-on-both.ts`]: '// New there.\n',
  [`${COPY}/sign-out.ts`]: above('// Only there.'),
};

function above(line: string) {
  return (text: string) => `${line}\n${text}`;
}

const folders: string[] = [];
let first: Shipped;
let next: Shipped;
beforeAll(async () => {
  first = await releasedPackage('0.2.0');
  next = await nextPackage(first, '0.3.0', HERE);
  folders.push(first.root, next.root);
});
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** An app with a copy of 0.2.0 in which these files were changed. */
async function changedApp(edits: Edits = THERE): Promise<string> {
  const app = await copiedApp(first);
  folders.push(app);
  editFiles(app, edits);
  return app;
}

const diffByName: typeof examineCopy = (shipped, version, app, terminal) =>
  diff(shipped, version, app, true, terminal);

const read = (app: string, name: string) => readFileSync(join(app, COPY, name), 'utf8');

/** Changed on both sides in different lines, without a program called git. */
async function updateWithoutGit(app: string) {
  vi.stubEnv('PATH', mkdtempSync(join(tmpdir(), 'no-git-')));
  return updated(next, app);
}

describe.each([
  ['by git', updated.bind(undefined)],
  ['by the library where there is no git', (_: Shipped, app: string) => updateWithoutGit(app)],
])('an update merged %s', (_how, run) => {
  let app: string;
  let outcome: Awaited<ReturnType<typeof updated>>;
  let before: Record<string, string>;
  beforeAll(async () => {
    app = await changedApp();
    before = snapshot(app);
    outcome = await run(next, app);
  });

  test.each([
    ['index.ts', 'updated'],
    ['new.ts', 'created'],
    ['fetch-metadata.ts', 'deleted'],
    ['errors.ts', 'merged'],
    ['forms.ts', 'merged'],
    ['guards.ts', 'conflict'],
    ['context.ts', 'updated'],
    ['issuer.ts', 'left_out'],
    ['request.ts', 'kept'],
    ['new-on-both.ts', 'beside'],
  ])('finds %s to be %s', (name, result) => {
    const path = `${COPY}/${name}`;
    expect(outcome.result.files.filter((file) => file.path === path)).toEqual([{ path, result }]);
    expect(outcome.said).toContain(result === 'updated' ? 'without changes of yours' : path);
  });

  test('names no other file, not even one with the same change on both sides', () => {
    expect(outcome.result.files).toHaveLength(10);
  });

  test('replaces what was changed here only', () => {
    expect(read(app, 'index.ts')).toMatch(/^\/\/ Here\.\n/);
    expect(read(app, 'new.ts')).toBe('// New here.\n');
    expect(snapshot(app)).not.toHaveProperty([`${COPY}/fetch-metadata.ts`]);
  });

  test('keeps both sides of what was changed in different lines', () => {
    expect(read(app, 'errors.ts')).toMatch(/^\/\/ Here\.\n[^]*\n\/\/ There\.\n$/);
  });

  test('keeps line ends', () => {
    expect(read(app, 'forms.ts')).toMatch(/^\/\/ Here\.\r\n[^]*\r\n\/\/ There\.\r\n$/);
    expect(read(app, 'context.ts')).toMatch(/^\/\/ Here\.\r\n/);
    for (const name of ['forms.ts', 'context.ts']) expect(read(app, name)).not.toMatch(/[^\r]\n/);
  });

  test('marks what was changed in the same lines', () => {
    const marked = '<<<<<<< yours\n// There.\n=======\n// Here.\n>>>>>>> version 0.3.0\n';
    expect(read(app, 'guards.ts').startsWith(marked)).toBe(true);
    expect(read(app, 'guards.ts').slice(marked.length)).toBe(
      before[`${COPY}/guards.ts`]?.slice('// There.\n'.length),
    );
  });

  test('leaves what was changed or deleted in the app only', () => {
    const after = snapshot(app);
    for (const name of ['sign-out.ts', 'request.ts', 'new-on-both.ts', 'issuer.ts']) {
      expect(after[`${COPY}/${name}`]).toBe(before[`${COPY}/${name}`]);
    }
    expect(after[`${COPY}/new-on-both.ts.new`]).toBe('// New here.\n');
  });

  test('says what is left to do', () => {
    expect(outcome.isLeft).toBe(true);
    expect(outcome.result.conflicts).toEqual(
      ['guards.ts', 'new-on-both.ts', 'request.ts'].map((name) => `${COPY}/${name}`),
    );
    expect(outcome.said).toContain(`${COPY}/guards.ts (between <<<<<<< and >>>>>>>)`);
  });

  test('tells the notes of the versions in between for the copied folders', () => {
    expect(outcome.result.notes).toEqual([
      {
        version: '0.3.0',
        section: 'Security',
        folders: ['auth'],
        text: 'A forged thing is refused.',
      },
    ]);
    expect(outcome.said).toContain('Security:\n  - auth: A forged thing is refused.');
  });

  test('records the new version with its hashes', async () => {
    const record = await readRecord(app);
    expect(record?.version).toBe('0.3.0');
    const text = readFileSync(join(next.root, 'src/auth/guards.ts'), 'utf8');
    expect(record?.files['auth/guards.ts']).toBe(hashOf(text));
    expect(record?.files).not.toHaveProperty(['auth/fetch-metadata.ts']);
  });

  test('is refused again until the conflicts are resolved, and then has nothing to do', async () => {
    const conflicted = snapshot(app);
    const sentence = `Resolve the conflicts of the last update first, in ${COPY}/guards.ts.`;
    for (const command of [examineCopy, diffByName]) {
      const terminal = recordingTerminal();
      expect(await command(next, '0.3.0', app, terminal)).toBe(true);
      expect(terminal.said.join('\n')).toContain(sentence);
    }
    await expect(updated(next, app)).rejects.toMatchObject({
      code: 'conflicts_unresolved',
      message: expect.stringContaining(`${COPY}/guards.ts`),
    });
    expect(snapshot(app)).toEqual(conflicted);
    editFiles(app, { [`${COPY}/guards.ts`]: before[`${COPY}/guards.ts`] });
    const again = await updated(next, app);
    expect([again.isLeft, again.result.written]).toEqual([false, false]);
    expect(again.said).toContain('nothing to update');
  });
});

describe('an update', () => {
  test('without changes in the app replaces everything and leaves nothing to do', async () => {
    const app = await changedApp({});
    const { isLeft } = await updated(next, app);
    expect(isLeft).toBe(false);
    expect(read(app, 'guards.ts')).toBe(
      readFileSync(join(next.root, 'src/auth/guards.ts'), 'utf8'),
    );
    const starters = ['src/authkit/setup.ts', 'src/authkit/env.ts'];
    expect((await readRecord(app))?.starters).toEqual(expect.arrayContaining(starters));
  });

  test('leaves the files that belong to the app', async () => {
    const app = await changedApp({ 'src/authkit/setup.ts': above('// Mine.') });
    await updated(next, app);
    expect(snapshot(app)['src/authkit/setup.ts']).toMatch(/^\/\/ Mine\.\n/);
  });

  test('adds the packages that the new version needs', async () => {
    const needing = await nextPackage(next, '0.3.0', {
      'src/auth/new.ts': "import { WebSocketServer } from 'ws';\nexport { WebSocketServer };\n",
    });
    folders.push(needing.root);
    const app = await changedApp({});
    await updated(needing, app);
    const { dependencies } = JSON.parse(snapshot(app)['package.json'] ?? '') as {
      dependencies: Record<string, string>;
    };
    expect(dependencies['ws']).toBe(needing.ranges['ws']);
  });

  test('with --dry-run says the same and changes nothing', async () => {
    const app = await changedApp();
    const before = snapshot(app);
    const { isLeft, said, result } = await updated(next, app, { dryRun: true });
    expect([isLeft, result.written]).toEqual([true, false]);
    expect(said).toContain('Nothing was changed (--dry-run).');
    expect(snapshot(app)).toEqual(before);
  });

  test('that is not agreed to changes nothing', async () => {
    const app = await changedApp();
    const before = snapshot(app);
    await expect(updated(next, app, { yes: false })).rejects.toThrow('nobody can be asked');
    expect(snapshot(app)).toEqual(before);
  });

  test('that cannot write a file undoes the others', async () => {
    // A folder where a new file must go.
    const app = await changedApp({ ...THERE, [`${COPY}/new.ts/in-the-way`]: '' });
    const before = snapshot(app);
    await expect(updated(next, app)).rejects.toMatchObject({ code: expect.any(String) });
    expect(snapshot(app)).toEqual(before);
  });

  test('of a newer copy is refused', async () => {
    const app = await changedApp({});
    await updated(next, app);
    await expect(updated(first, app)).rejects.toMatchObject({ code: 'already_copied' });
  });

  test.each([
    ['is no JSON', '{'],
    ['has no version', '{}'],
    ['leads out of the app', (text: string) => text.replace('"src/authkit"', '"../elsewhere"')],
    [
      'names a file outside',
      (text: string) => text.replace('"auth/index.ts"', '"auth/../../x.ts"'),
    ],
  ])('with a record that %s is refused', async (_what, edit) => {
    const app = await changedApp({ [RECORD_FILE]: edit });
    const before = snapshot(app);
    await expect(updated(next, app)).rejects.toMatchObject({ code: 'record_invalid' });
    expect(snapshot(app)).toEqual(before);
  });

  test('of an app without a copy is refused', async () => {
    const app = mkdtempSync(join(tmpdir(), 'copy-app-'));
    folders.push(app);
    editFiles(app, { 'package.json': '{}', 'src/auth/index.ts': 'export {};\n' });
    await expect(updated(next, app)).rejects.toMatchObject({ code: 'not_copied' });
  });
});

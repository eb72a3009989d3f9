// How the copy command writes: all of its changes or none, never outside the app, never over what
// somebody else put there.
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isBlocked, makeChanges, type Change } from '../../src/copy/changes.ts';
import { treeOf, writeFiles } from '../support/app/copy-command.ts';

let folder: string;
let app: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'init-changes-'));
});
beforeEach(async () => {
  app = join(folder, `${(count += 1)}`, 'app');
  await writeFiles(app, { 'kept.json': '{}', 'src/old.ts': 'old' });
  await chmod(join(app, 'kept.json'), 0o640);
});
afterAll(() => rm(folder, { recursive: true }));

const CHANGES: Change[] = [
  { path: 'src/authkit/store/embedded/store.ts', before: undefined, after: 'store' },
  { path: 'src/authkit/auth/index.ts', before: undefined, after: 'auth' },
  { path: 'kept.json', before: '{}', after: '{ "edited": true }' },
  { path: 'src/old.ts', before: 'old', after: undefined },
  { path: '.env.example', before: undefined, after: 'A=1' },
];
const nothing = async () => {};
const make = (changes = CHANGES, work = nothing, signal = new AbortController().signal) =>
  makeChanges(app, changes, work, signal);

/** The changes are refused with this error, and the app is as it was. */
async function expectUndone(made: () => Promise<void>, error: object): Promise<void> {
  const before = await treeOf(join(app, '..'));
  await expect(made()).rejects.toMatchObject(error);
  expect(await treeOf(join(app, '..'))).toEqual(before);
}

describe('changes', () => {
  test('write, edit and delete, keep the mode of a file, and leave nothing else', async () => {
    await make();
    const tree = await treeOf(app);
    const files = Object.keys(tree).filter((path) => /\.(ts|json|example)$/.test(path));
    expect(files.toSorted()).toEqual([
      '.env.example',
      'kept.json',
      'src/authkit/auth/index.ts',
      'src/authkit/store/embedded/store.ts',
    ]);
    expect(Object.keys(tree)).toHaveLength(9);
    expect(await readFile(join(app, 'kept.json'), 'utf8')).toBe('{ "edited": true }');
    expect(tree['kept.json']).toMatch(/^100640 /);
  });

  test('make the folder of a new app', async () => {
    app = join(app, 'new/one');
    await make(CHANGES.slice(0, 2));
    expect(await readFile(join(app, 'src/authkit/auth/index.ts'), 'utf8')).toBe('auth');
  });

  test('write through a link to another file of the app', async () => {
    await symlink('kept.json', join(app, 'link.json'));
    await make([{ path: 'link.json', before: '{}', after: '[]' }]);
    expect((await treeOf(app))['link.json']).toMatch(/^120777 kept\.json$/);
    expect(await readFile(join(app, 'kept.json'), 'utf8')).toBe('[]');
  });
});

describe('nothing is left', () => {
  test('when work fails after the last change', async () => {
    const error = new Error('no network');
    await expectUndone(() => make(CHANGES, () => Promise.reject(error)), error);
  });

  test('when it fails in a new app', async () => {
    app = join(app, 'new/one');
    const before = await treeOf(join(app, '../..'));
    const failed = make(CHANGES.slice(0, 2), () => Promise.reject(new Error('x')));
    await expect(failed).rejects.toThrow('x');
    expect(await treeOf(join(app, '../..'))).toEqual(before);
  });

  test.each(CHANGES.map((change, index) => [change.path, index] as const))(
    'when %s turns out to be a folder',
    async (path, index) => {
      const changes = CHANGES.with(index, { path, before: undefined, after: 'x' });
      await rm(join(app, path), { force: true });
      await mkdir(join(app, path), { recursive: true });
      await expectUndone(() => make(changes), { code: 'write_failed' });
    },
  );

  test('when a file was changed or made since the plan', async () => {
    await writeFile(join(app, 'kept.json'), '{ "own": 1 }');
    await expectUndone(make, { message: expect.stringContaining('changed meanwhile') as string });
    await writeFile(join(app, 'kept.json'), '{}');
    await writeFile(join(app, '.env.example'), 'OWN=1');
    await expectUndone(make, { code: 'write_failed' });
  });

  test('when what an earlier, killed run left is in the way', async () => {
    await writeFile(join(app, 'kept.json.before-authkit-copy'), '{}');
    await expectUndone(make, { code: 'write_failed' });
    await rm(join(app, 'kept.json.before-authkit-copy'));
    await writeFile(join(app, '.env.example.authkit-copy'), '');
    await expectUndone(make, { code: 'write_failed' });
  });

  test.each(['before the first change', 'during work', 'after work'])(
    'when the user interrupts %s',
    async (when) => {
      const interrupted = new AbortController();
      if (when.startsWith('before')) interrupted.abort();
      const work = () => {
        interrupted.abort();
        return when === 'during work' ? Promise.reject(new Error('killed')) : Promise.resolve();
      };
      await expectUndone(() => make(CHANGES, work, interrupted.signal), { code: 'cancelled' });
    },
  );

  test('when somebody deletes what was written, and then work fails', async () => {
    await expectUndone(
      () =>
        make(CHANGES, async () => {
          await rm(join(app, '.env.example'));
          await rm(join(app, 'src/authkit'), { recursive: true });
          throw new Error('no network');
        }),
      new Error('no network'),
    );
  });
});

test('what cannot be undone is named, and the rest is undone', async () => {
  const before = await treeOf(app);
  const work = async () => {
    await rm(join(app, '.env.example'));
    await writeFiles(app, { '.env.example/own': '' });
    throw new Error('no network');
  };
  await expect(make(CHANGES, work)).rejects.toMatchObject({
    code: 'write_failed',
    message: expect.stringMatching(/^no network\nBut .*\.env\.example/) as string,
  });
  await rm(join(app, '.env.example'), { recursive: true });
  expect(await treeOf(app)).toEqual(before);
});

test('a folder keeps what somebody put there meanwhile', async () => {
  const work = async () => {
    await writeFile(join(app, 'src/authkit/auth/own.ts'), 'own');
    throw new Error('x');
  };
  await expect(make(CHANGES, work)).rejects.toThrow('x');
  const left = Object.keys(await treeOf(join(app, 'src')));
  expect(left.toSorted()).toEqual(['authkit', 'authkit/auth', 'authkit/auth/own.ts', 'old.ts']);
});

describe('a path is blocked', () => {
  test.each([
    ['by a folder', (path: string) => mkdir(path, { recursive: true })],
    ['by a link that leads nowhere', (path: string) => symlink('nowhere', path)],
    ['by a link in a circle', (path: string) => symlink('a', path)],
    ['by a link to a file outside', (path: string) => symlink('../outside', path)],
    ['by a link to a folder inside', (path: string) => symlink('src', path)],
  ])('%s', async (_, put) => {
    await writeFile(join(app, '../outside'), 'outside');
    await put(join(app, 'a'));
    expect(await isBlocked(app, 'a')).toBe(true);
    await expectUndone(() => make([{ path: 'a', before: undefined, after: 'x' }]), {
      code: 'write_failed',
    });
  });

  test.each([
    ['a file in place of its folder', (path: string) => writeFile(path, '')],
    ['a link out of the app in place of its folder', (path: string) => symlink('../away', path)],
  ])('by %s', async (_, put) => {
    await mkdir(join(app, '../away'));
    await put(join(app, 'a'));
    expect(await isBlocked(app, 'a/b/c.ts')).toBe(true);
    await expectUndone(() => make([{ path: 'a/b/c.ts', before: undefined, after: 'x' }]), {
      code: 'write_failed',
    });
  });

  test('not by a link in the app, nor where nothing is', async () => {
    await symlink('src', join(app, 'sources'));
    expect(await isBlocked(app, 'sources/old.ts')).toBe(false);
    expect(await isBlocked(app, 'a/b/c.ts')).toBe(false);
    expect(await isBlocked(join(app, 'missing'), 'a')).toBe(false);
  });

  test('not by a link that is the app itself', async () => {
    await symlink('app', join(app, '../linked'));
    expect(await isBlocked(join(app, '../linked'), 'src/old.ts')).toBe(false);
  });
});

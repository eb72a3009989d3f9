// Writes the planned changes: all of them or, if one fails or the user interrupts, none.
import { mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CopyError } from './errors.ts';

export interface Change {
  /** Below the app, with forward slashes. */
  path: string;
  /** Its text now; undefined if there is no such file. */
  before: string | undefined;
  /** Its text afterwards; undefined to delete it. */
  after: string | undefined;
}

/** The file's text; undefined if there is none. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/**
 * Makes the changes, then does `work`, such as installing packages. If anything of it fails, or
 * `signal` aborts, everything is undone.
 * @throws CopyError `write_failed`; what `work` throws
 */
export async function makeChanges(
  root: string,
  changes: readonly Change[],
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    await makeFolders(root, undo);
    for (const change of changes) {
      signal.throwIfAborted();
      await makeChange(root, change, undo);
    }
    await work();
    signal.throwIfAborted();
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    if (!signal.aborted) throw error;
    throw new CopyError('cancelled', 'Interrupted. The app is as it was before.', { cause: error });
  }
}

async function makeChange(
  root: string,
  { path, before, after }: Change,
  undo: (() => Promise<unknown>)[],
): Promise<void> {
  const file = join(root, path);
  try {
    if ((await readIfPresent(file)) !== before) throw new Error('changed meanwhile');
    await makeFolders(dirname(file), undo);
    if (after === undefined) await rm(file);
    else await writeWhole(file, after);
    undo.push(() => (before === undefined ? rm(file, { force: true }) : writeWhole(file, before)));
  } catch (cause) {
    const { message } = cause as Error;
    throw new CopyError(
      'write_failed',
      `${path} cannot be written (${message}). The app is as it was before.`,
      { cause },
    );
  }
}

/** Never leaves half a file, not even when the disk is full. */
async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.authkit-copy`;
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function makeFolders(folder: string, undo: (() => Promise<unknown>)[]): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  const made: string[] = [];
  for (let path = folder; path.length >= first.length; path = dirname(path)) made.unshift(path);
  // Not recursive: the folder may hold what somebody else put there meanwhile.
  for (const path of made) undo.push(() => rmdir(path).catch(() => undefined));
}

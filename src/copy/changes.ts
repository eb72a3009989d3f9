// Writes the planned changes: all of them or, if one fails or the user interrupts, none.
import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  lstat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
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
 * Whether this path of the app cannot be a file of it: there is a folder, a file in place of a folder,
 * or a link that leads nowhere or out of the app.
 */
export async function isBlocked(root: string, path: string): Promise<boolean> {
  const app = await realpath(root).catch(() => undefined);
  if (app === undefined) return false;
  const names = path.split('/');
  for (const index of names.keys()) {
    const part = join(app, ...names.slice(0, index + 1));
    if (!(await lstat(part).catch(() => undefined))) return false;
    const real = await realpath(part).catch(() => undefined);
    if (!real?.startsWith(app + sep)) return true;
    const found = await stat(real);
    if (index < names.length - 1 ? !found.isDirectory() : !found.isFile()) return true;
  }
  return false;
}

/** What has been done so far. */
interface Done {
  /** Takes it back, the last step first. */
  undo: (() => Promise<unknown>)[];
  /** The files that were changed, as they were. */
  backups: string[];
}

/**
 * Makes the changes, then does `work`, such as installing packages. If anything of it fails, or
 * `signal` aborts, everything is undone.
 * @throws CopyError `write_failed`, `cancelled`; what `work` throws
 */
export async function makeChanges(
  root: string,
  changes: readonly Change[],
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const done: Done = { undo: [], backups: [] };
  try {
    for (const change of changes) {
      signal.throwIfAborted();
      await makeChange(root, change, done);
    }
    signal.throwIfAborted();
    await work();
    signal.throwIfAborted();
  } catch (error) {
    await undoAll(done, error);
    if (!signal.aborted) throw error;
    throw new CopyError('cancelled', 'Interrupted. The app is as it was before.', { cause: error });
  }
  for (const backup of done.backups) await rm(backup, { force: true });
}

async function undoAll({ undo }: Done, cause: unknown): Promise<void> {
  const faults: string[] = [];
  for (const step of undo.toReversed()) {
    await step().catch((error: Error) => faults.push(error.message));
  }
  if (faults.length === 0) return;
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new CopyError(
    'write_failed',
    `${why}\nBut this could not be undone: ${faults.join('; ')}`,
    { cause },
  );
}

async function makeChange(
  root: string,
  { path, before, after }: Change,
  done: Done,
): Promise<void> {
  const named = join(root, path);
  try {
    // A link that somebody put there since would be followed out of the app.
    if (await isBlocked(root, path)) throw new Error('something else is there');
    const file = await realpath(named).catch(() => named);
    if ((await readIfPresent(file)) !== before) throw new Error('changed meanwhile');
    if (before === undefined) await makeFolders(dirname(file), done);
    else await keep(file, done);
    if (after === undefined) await rm(file);
    else await writeWhole(file, after);
    if (before === undefined) done.undo.push(() => rm(file, { force: true }));
  } catch (cause) {
    const { message } = cause as Error;
    throw new CopyError(
      'write_failed',
      `${path} cannot be written (${message}). The app is as it was before.`,
      { cause },
    );
  }
}

/** Keeps the file itself, since a full disk has no room to write its text again. */
async function keep(file: string, { undo, backups }: Done): Promise<void> {
  const backup = `${file}.before-authkit-copy`;
  await copyFile(file, backup, constants.COPYFILE_EXCL).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
    const advice = 'was left by a run that was killed: put it back, or delete it';
    throw new Error(`${basename(backup)} ${advice}`, { cause });
  });
  undo.push(() => rename(backup, file));
  backups.push(backup);
}

/** Never leaves half a file, not even when the disk is full. */
async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.authkit-copy`;
  const { mode } = (await stat(file).catch(() => undefined)) ?? {};
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    if (mode !== undefined) await chmod(temporary, mode);
    await rename(temporary, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') await rm(temporary, { force: true });
    throw error;
  }
}

async function makeFolders(folder: string, { undo }: Done): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  const made: string[] = [];
  for (let each = folder; each.length >= first.length; each = dirname(each)) made.unshift(each);
  // Not recursive: the folder may hold what somebody else put there meanwhile.
  for (const each of made) undo.push(() => rmdir(each).catch(() => undefined));
}

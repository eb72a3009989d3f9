// Finds the copy in an app: by its record, or, for one that was made by hand, by its files.
import { readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { readIfPresent } from './changes.ts';
import { CopyError } from './errors.ts';
import { FIRST_VERSION } from './first-version.ts';
import { readRecord, type CopyRecord } from './record.ts';
import { findRelease, hashOf, type Archive } from './releases.ts';
import { FOLDERS, isSelected, type Engine, type Folder, type Format } from './shipped.ts';

export interface Copy {
  record: CopyRecord;
  /** The record was made up from the files: the copy was made by hand. */
  isInferred: boolean;
}

/** A copy of 0.1.0: its files by names such as `auth/index.ts`. */
export interface FirstCopy {
  folder: string;
  files: Record<string, string>;
}

/**
 * Finds the copy in the app. If it has no record, the release that its files fit best is taken for
 * the one it was made from.
 * @throws CopyError `not_copied`, `record_invalid`
 */
export async function findCopy(
  root: string,
  archives: readonly Archive[],
): Promise<Copy | FirstCopy> {
  const record = await readRecord(root);
  if (record) return { record, isInferred: false };
  for (const folder of await foldersWithCopies(root)) {
    const files = await filesBelow(root, folder);
    const hashes = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, hashOf(text)]),
    );
    const fit = findRelease(archives, hashes);
    // Another project may have a file of the same name.
    if (!fit || fit.named < 5) continue;
    if (fit.archive.version === FIRST_VERSION) return { folder, files };
    return { record: recordOf(folder, Object.keys(files), fit.archive), isInferred: true };
  }
  throw new CopyError('not_copied', `${root} has no copy of this package. Run init first.`);
}

/** The folders that have a copied folder in them, such as `src`. */
async function foldersWithCopies(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true }).catch((cause: unknown) => {
    throw new CopyError('not_an_app', `${root} cannot be read. Name the folder of your app.`, {
      cause,
    });
  });
  const indexes = names
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => /(^|\/)(auth|bearer)\/index\.[jt]s$/.test(name))
    .filter((name) => !/(^|\/)(node_modules|dist|build|\..*)\//.test(name));
  return [...new Set(indexes.map((name) => relative('.', dirname(dirname(name)))))];
}

async function filesBelow(root: string, folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const copied of FOLDERS) {
    const names = await readdir(join(root, folder, copied), { recursive: true }).catch(() => []);
    for (const name of names.filter((one) => /\.[jt]s$/.test(one))) {
      const text = await readIfPresent(join(root, folder, copied, name));
      if (text !== undefined) files[`${copied}/${name.replaceAll('\\', '/')}`] = text;
    }
  }
  return files;
}

/** The record that `init` would have written for this copy. */
function recordOf(folder: string, names: readonly string[], archive: Archive): CopyRecord {
  const format: Format = names.some((name) => name.endsWith('.ts')) ? 'ts' : 'js';
  const has = (start: string) => names.some((name) => name.startsWith(start));
  const folders: Folder[] = FOLDERS.filter((name) => has(`${name}/`));
  const engine = engineOf(has);
  const selection = { folders, format, engine };
  const files = Object.entries(archive.files).filter(([name]) => isSelected(name, selection));
  return {
    version: archive.version,
    folder,
    ...selection,
    files: Object.fromEntries(files.map(([name, text]) => [name, hashOf(text)])),
    starters: [],
  };
}

function engineOf(has: (start: string) => boolean): Engine {
  const found = (['embedded', 'redis', 'postgres'] as const).filter((name) =>
    has(`store/${name}/`),
  );
  return found.length > 1 ? 'any' : (found[0] ?? 'embedded');
}

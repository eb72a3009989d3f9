// Reads the archives of releases: every version's files that can be copied, so that an update can merge
// from the version that was copied, without git.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { compareVersions } from './changelog.ts';

const schema = z.strictObject({
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  date: z.iso.date(),
  /** The contents by the names of the copies, such as `auth/index.ts` and `local-authkit/start.js`. */
  files: z.record(z.string(), z.string()),
  /** Of each file that is not in the next version: where its code went; `[]` if nowhere. */
  moved: z.record(z.string(), z.array(z.string())).optional(),
});

export type Archive = z.infer<typeof schema>;

export interface Fit {
  archive: Archive;
  /** How many of the files are exactly those of this version. */
  exact: number;
  /** How many have a name that this version has, exact or not. */
  named: number;
}

/** The releases of this package: a checkout, or installed from the packed file. */
export const RELEASES = new URL('../../releases/', import.meta.url);

/**
 * Reads the archives in this folder; returns them newest first.
 * @throws Error that names the file, if one is damaged
 */
export async function readReleases(folder: URL | string = RELEASES): Promise<Archive[]> {
  const path = typeof folder === 'string' ? folder : fileURLToPath(folder);
  const names = (await readdir(path)).filter((name) => name.endsWith('.json'));
  const archives = await Promise.all(names.map((name) => readArchive(join(path, name))));
  return archives.toSorted((one, other) => compareVersions(other.version, one.version));
}

async function readArchive(path: string): Promise<Archive> {
  const text = await readFile(path, 'utf8');
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${path} is damaged; take it from the package again`, { cause });
  }
}

/** The versions of these archives, in their order. */
export const versionsOf = (archives: readonly Archive[]): string[] =>
  archives.map(({ version }) => version);

/** What a file was in this version; undefined if the version has no file of this name. */
export const contentOf = ({ files }: Archive, name: string): string | undefined =>
  Object.hasOwn(files, name) ? files[name] : undefined;

/** The hash of a file, the same if git or an editor has given it the line ends of Windows. */
export function hashOf(content: string): string {
  const hash = createHash('sha256').update(content.replaceAll('\r\n', '\n'));
  return `sha256-${hash.digest('base64')}`;
}

/**
 * Finds the version that these files were copied from. Takes the hash of each (of `hashOf`) by its
 * name; returns the archive with the most exact files, then the most names, then the newest;
 * undefined if no version has a file of these names.
 */
export function findRelease(
  archives: readonly Archive[],
  hashes: Readonly<Record<string, string>>,
): Fit | undefined {
  const fits = archives.map((archive) => fitOf(archive, hashes));
  const [best] = fits
    .filter(({ named }) => named > 0)
    .toSorted(
      (one, other) =>
        other.exact - one.exact ||
        other.named - one.named ||
        compareVersions(other.archive.version, one.archive.version),
    );
  return best;
}

function fitOf(archive: Archive, hashes: Readonly<Record<string, string>>): Fit {
  const fit: Fit = { archive, exact: 0, named: 0 };
  for (const [name, hash] of Object.entries(hashes)) {
    const content = contentOf(archive, name);
    if (content === undefined) continue;
    fit.named += 1;
    if (hashOf(content) === hash) fit.exact += 1;
  }
  return fit;
}

/** The text of an archive: names sorted, one file a line, so that versions can be compared by line. */
export function formatArchive({ version, date, files, moved }: Archive): string {
  const sorted = { version, date, files: byName(files), ...(moved && { moved: byName(moved) }) };
  return `${JSON.stringify(sorted, null, 2)}\n`;
}

function byName<T>(values: Record<string, T>): Record<string, T> {
  const entries = Object.entries(values);
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

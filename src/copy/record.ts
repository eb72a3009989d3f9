// The record in the app (RECORD_FILE): what was copied there, and from which version. `update` needs it to
// tell your changes from ours. Keep it in version control.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CopyError } from './errors.ts';
import { ENGINES, FOLDERS } from './shipped.ts';

export const RECORD_FILE = 'authkit-copy.json';

const schema = z.strictObject({
  /** The version copied; `0.2.0+1a2b3c4` is a checkout with later changes. */
  version: z.string().regex(/^\d+\.\d+\.\d+(\+[\w.-]+)?$/),
  /** Where the copied folders are, below the app; '' is the app itself. */
  folder: z.string().refine((path) => !/^\/|(^|\/)\.\.(\/|$)|\\|^[A-Za-z]:/.test(path)),
  format: z.enum(['ts', 'js']),
  engine: z.enum(ENGINES),
  folders: z.array(z.enum(FOLDERS)),
  /** The hash of each file as it was copied, by names such as `auth/index.ts`. */
  files: z.record(
    z
      .string()
      .regex(/^[\w-]+(\/[\w.-]+)+$/)
      .refine((name) => !name.split('/').includes('..')),
    z.string().regex(/^sha256-[A-Za-z0-9+/]{43}=$/),
  ),
  /** Files that were written once and belong to the app: `update` leaves them as they are. */
  starters: z.array(z.string()),
});

export type CopyRecord = z.infer<typeof schema>;

/**
 * Reads the record of the app.
 * @returns undefined if the app has none
 * @throws CopyError `record_invalid`
 */
export async function readRecord(app: string): Promise<CopyRecord | undefined> {
  let text: string;
  try {
    text = await readFile(join(app, RECORD_FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CopyError('record_invalid', `${RECORD_FILE} cannot be read.`, { cause: error });
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CopyError(
      'record_invalid',
      `${RECORD_FILE} cannot be read. Take it from version control again; it is written by this command alone.`,
      { cause },
    );
  }
}

export function formatRecord(record: CopyRecord): string {
  const files = Object.fromEntries(Object.entries(record.files).toSorted(byName));
  return `${JSON.stringify({ ...record, files }, null, 2)}\n`;
}

const byName = ([one]: [string, string], [other]: [string, string]) => (one < other ? -1 : 1);

/** The folders of the copy, below the app. */
export function copiedFolders(record: CopyRecord): string[] {
  return record.folders.map((folder) => pathInApp(record, `${folder}/`).slice(0, -1));
}

/** Where a shipped file such as `auth/index.ts` is in the app. */
export function pathInApp({ folder }: Pick<CopyRecord, 'folder'>, name: string): string {
  return name.startsWith('local-authkit/') || folder === '' ? name : `${folder}/${name}`;
}

/** Whether this path of the app is one of the copied files. */
export const isCopied = (record: CopyRecord, path: string) =>
  Object.keys(record.files).some((name) => pathInApp(record, name) === path);

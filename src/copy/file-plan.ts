// Plans the change of a single file of the app, and refuses what is in the way.
import { join } from 'node:path';
import type { App } from './app.ts';
import { isBlocked, readIfPresent, type Change } from './changes.ts';
import { CopyError } from './errors.ts';
import { pathInApp, type CopyRecord } from './record.ts';

/**
 * The change that `change` makes to a file of the app; undefined if it makes none.
 * @throws CopyError `file_exists` for what is no file of the app
 */
export async function edit(
  app: App,
  path: string,
  change: (text: string | undefined) => string,
): Promise<Change | undefined> {
  if (await isBlocked(app.root, path)) throw inTheWay([path]);
  const before = await readIfPresent(join(app.root, path));
  const after = change(before);
  return after === before ? undefined : { path, before, after };
}

/**
 * The changes that write these files, but for those of an earlier copy.
 * @throws CopyError `file_exists` for files that an earlier copy did not write
 */
export async function newFiles(
  app: App,
  files: readonly (readonly [path: string, text: string])[],
  known: CopyRecord | undefined,
): Promise<Change[]> {
  const owned = new Set([
    ...(known?.starters ?? []),
    ...Object.keys(known?.files ?? {}).map((name) => (known ? pathInApp(known, name) : name)),
  ]);
  const changes: Change[] = [];
  const others: string[] = [];
  for (const [path, after] of files) {
    if (owned.has(path)) continue;
    const blocked = await isBlocked(app.root, path);
    const before = blocked ? '' : await readIfPresent(join(app.root, path));
    if (before === undefined) changes.push({ path, before, after });
    else if (blocked || before !== after) others.push(path);
  }
  if (others.length > 0) throw inTheWay(others);
  return changes;
}

function inTheWay([first = '', ...others]: readonly string[]): CopyError {
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return new CopyError(
    'file_exists',
    `${first}${more} is in the way: this command did not write it. Move it away or delete it. Nothing was changed.`,
  );
}

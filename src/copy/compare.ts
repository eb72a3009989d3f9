// Compares each copied file in three states: as it was copied, as it is in the app, as it is here now.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { App } from './app.ts';
import { readIfPresent } from './changes.ts';
import { pathInApp, type CopyRecord } from './record.ts';
import { contentOf, hashOf, type Archive } from './releases.ts';
import { filesOf, type Shipped } from './shipped.ts';

const run = promisify(execFile);

export interface Compared {
  /** Such as `auth/index.ts`. */
  name: string;
  /** Below the app. */
  path: string;
  /** As it was copied; undefined if it was not, or if that version is not known here. */
  base: string | undefined;
  /** As it is in the app; undefined if it is not there. */
  yours: string | undefined;
  /** As it is here; undefined if this version does not have it. */
  ours: string | undefined;
  wasCopied: boolean;
  changedThere: boolean;
  changedHere: boolean;
}

/** Compares the files of a copy with those of this version. */
export async function compareFiles(
  shipped: Shipped,
  archives: readonly Archive[],
  app: Pick<App, 'root' | 'existing'>,
  record: CopyRecord,
): Promise<Compared[]> {
  const files = await filesOf(shipped, record);
  if (app.existing.user) files.delete('auth/express-user.ts');
  const names = [...new Set([...Object.keys(record.files), ...files.keys()])].toSorted();
  return Promise.all(
    names.map(async (name) => {
      const path = pathInApp(record, name);
      const yours = await readIfPresent(join(app.root, path));
      const ours = files.get(name);
      const copied = record.files[name];
      const base =
        copied === undefined
          ? undefined
          : ours !== undefined && hashOf(ours) === copied
            ? ours
            : await contentAt(shipped, archives, record, name, copied);
      return {
        name,
        path,
        base,
        yours,
        ours,
        wasCopied: copied !== undefined,
        changedThere: yours === undefined ? copied !== undefined : hashOf(yours) !== copied,
        changedHere: ours === undefined ? copied !== undefined : hashOf(ours) !== copied,
      };
    }),
  );
}

/** The file with this hash: from a release, or from the commit of the checkout that was copied. */
async function contentAt(
  { root }: Shipped,
  archives: readonly Archive[],
  { version }: CopyRecord,
  name: string,
  hash: string,
): Promise<string | undefined> {
  const texts = archives.map((archive) => contentOf(archive, name));
  const released = texts.find((text) => text !== undefined && hashOf(text) === hash);
  if (released !== undefined) return released;
  const [, commit] = version.split('+');
  if (commit === undefined || !/^[0-9a-f]{7,40}$/.test(commit)) return undefined;
  const shown = await run('git', ['-C', root, 'show', `${commit}:src/${name}`]).catch(
    () => undefined,
  );
  return shown && hashOf(shown.stdout) === hash ? shown.stdout : undefined;
}

// What `init` will do to an app, decided before anything is written.
import { join } from 'node:path';
import type { App } from './app.ts';
import { readIfPresent, type Change } from './changes.ts';
import { CopyError } from './errors.ts';
import { hostEdits, type HostEdits } from './host-edits.ts';
import { pathInApp, readRecord, RECORD_FILE, type CopyRecord } from './record.ts';
import { hashOf } from './releases.ts';
import { filesOf, type Engine, type Folder, type Shipped } from './shipped.ts';
import { startersFor } from './starters.ts';
import { wiringFor, type Wiring } from './wiring.ts';

export interface Choices {
  folders: readonly Folder[];
  /** Default: that of an earlier copy, else one SQLite file. */
  engine: Engine | undefined;
}

export interface Plan extends HostEdits {
  app: App;
  record: CopyRecord;
  /** The app's own server file and the lines that it needs. */
  toDo: { server: string; lines: Wiring } | undefined;
}

/** Folders without which another one does not compile or does nothing. */
const NEEDED: Partial<Record<Folder, readonly Folder[]>> = {
  auth: ['store'],
  events: ['auth', 'store'],
  live: ['auth', 'store'],
};

/**
 * Plans a copy of the chosen folders into the app. Nothing is written.
 * @throws CopyError `usage`, `file_exists`, `app_unsuitable`, `already_copied`, `record_invalid`
 */
export async function planCopy(
  shipped: Shipped,
  version: string,
  found: App,
  choices: Choices,
): Promise<Plan> {
  const known = await readRecord(found.root);
  assertFits(known, version, found, choices);
  const app = { ...found, express: found.express ?? 5 };
  const wanted = choices.folders.flatMap((folder) => [...(NEEDED[folder] ?? []), folder]);
  const folders = [...new Set([...(known?.folders ?? []), ...wanted])];
  const engine = known?.engine ?? choices.engine ?? 'embedded';
  const format = app.language;
  const folder = known?.folder ?? (app.sources === '' ? 'authkit' : `${app.sources}/authkit`);
  const newServer = app.server === undefined ? serverPath(app) : undefined;

  const files = await filesOf(shipped, { folders, format, engine });
  // The app declares Express.User itself, and a second declaration would contradict it.
  if (app.existing.user) files.delete('auth/express-user.ts');
  const starters = await startersFor(shipped, { app, folders, engine, folder, newServer });
  const record: CopyRecord = {
    version,
    folder,
    format,
    engine,
    folders,
    files: Object.fromEntries([...files].map(([name, text]) => [name, hashOf(text)])),
    starters: [...new Set([...(known?.starters ?? []), ...starters.keys()])].toSorted(),
  };

  const copies = [...files].map(([name, text]) => [pathInApp(record, name), text] as const);
  const host = await hostEdits(shipped, app, record, files);
  const changes = [...(await newFiles(app, [...copies, ...starters], known)), ...host.changes];
  return {
    app,
    record,
    changes,
    compilerChanges: host.compilerChanges,
    needsInstall: host.needsInstall,
    toDo:
      app.server === undefined || known
        ? undefined
        : { server: app.server, lines: wiringFor(app, folders, folder, app.server) },
  };
}

function assertFits(
  known: CopyRecord | undefined,
  version: string,
  app: App,
  { engine }: Choices,
): void {
  if (!known) return;
  if (known.version !== version) {
    throw new CopyError(
      'already_copied',
      `This app has a copy of version ${known.version}, and this is ${version}. Run update first.`,
    );
  }
  if (known.format !== app.language || (engine !== undefined && engine !== known.engine)) {
    throw new CopyError(
      'already_copied',
      `This app has a copy already, in ${known.format === 'ts' ? 'TypeScript' : 'JavaScript'} with the store "${known.engine}". To have another, delete it and ${RECORD_FILE} first.`,
    );
  }
}

function serverPath({ sources, language, modules }: App): string {
  const extension = language === 'js' && modules === 'commonjs' ? 'mjs' : language;
  return `${sources === '' ? '' : `${sources}/`}server.${extension}`;
}

/** @throws CopyError `file_exists` for files that an earlier copy did not write */
async function newFiles(
  app: App,
  files: readonly (readonly [path: string, text: string])[],
  known: CopyRecord | undefined,
): Promise<Change[]> {
  const owned = new Set([
    ...(known?.starters ?? []),
    ...Object.keys(known?.files ?? {}).map((name) => (known ? pathInApp(known, name) : name)),
  ]);
  const changes: Change[] = [];
  const inTheWay: string[] = [];
  for (const [path, after] of files) {
    if (owned.has(path)) continue;
    const before = await readIfPresent(join(app.root, path));
    if (before === undefined) changes.push({ path, before, after });
    else if (before !== after) inTheWay.push(path);
  }
  if (inTheWay.length === 0) return changes;
  const [first, ...others] = inTheWay;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  throw new CopyError(
    'file_exists',
    `${first}${more} is in the way: this command did not write it. Move it away or delete it. Nothing was changed.`,
  );
}

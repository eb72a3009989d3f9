// What `init` will do to an app, decided before anything is written.
import { join } from 'node:path';
import type { App } from './app.ts';
import { readIfPresent } from './changes.ts';
import { CopyError } from './errors.ts';
import { newFiles } from './file-plan.ts';
import { hostEdits, serverPath, type HostEdits } from './host-edits.ts';
import { pathInApp, readRecord, RECORD_FILE, type CopyRecord } from './record.ts';
import { hashOf } from './releases.ts';
import { filesOf, FOLDERS, type Engine, type Folder, type Shipped } from './shipped.ts';
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
  /** The server file that is written for an app without one. */
  newServer: string | undefined;
  /** The app's own server file and the lines that it needs for the folders that are new. */
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
  const present = known?.folders ?? [];
  const folders = FOLDERS.filter((folder) => present.includes(folder) || wanted.includes(folder));
  assertUseful(folders, app, choices);
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
  const added = folders.filter((each) => !present.includes(each));
  const host = await hostEdits(shipped, app, record, files);
  const changes = [...(await newFiles(app, [...copies, ...starters], known)), ...host.changes];
  return {
    app,
    record,
    changes,
    compiler: host.compiler,
    needsInstall: host.needsInstall,
    newServer: newServer !== undefined && starters.has(newServer) ? newServer : undefined,
    toDo: await toDoFor(app, changes.length === 0 ? folders : added, folder),
  };
}

async function toDoFor(app: App, added: readonly Folder[], folder: string): Promise<Plan['toDo']> {
  if (app.server === undefined) return undefined;
  const lines = wiringFor(app, added, folder, app.server);
  const text = (await readIfPresent(join(app.root, app.server))) ?? '';
  if (lines.imports.every((line) => text.includes(line))) return undefined;
  return { server: app.server, lines };
}

/** @throws CopyError `usage` */
function assertUseful(folders: readonly Folder[], app: App, { engine }: Choices): void {
  if (engine !== undefined && !folders.includes('store')) {
    throw new CopyError('usage', '--store is where sessions are kept: add --auth.');
  }
  if (app.isNew && !folders.includes('auth') && !folders.includes('bearer')) {
    throw new CopyError('usage', 'A new app needs --auth or --bearer.');
  }
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

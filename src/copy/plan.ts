// What `init` will do to an app, decided before anything is written.
import { join } from 'node:path';
import type { App } from './app.ts';
import { isBlocked, readIfPresent, type Change } from './changes.ts';
import {
  neededSettings,
  settingsFile,
  withSettings,
  type CompilerChange,
} from './compiler-settings.ts';
import { CopyError } from './errors.ts';
import { withIgnored, withSettingsFor } from './host-files.ts';
import { addPackages } from './manifest.ts';
import { NEW_TSCONFIG, newManifest, testRunner } from './new-app.ts';
import { formatRecord, pathInApp, readRecord, RECORD_FILE, type CopyRecord } from './record.ts';
import { hashOf } from './releases.ts';
import { filesOf, FOLDERS, packagesOf, type Engine, type Folder, type Shipped } from './shipped.ts';
import { startersFor } from './starters.ts';
import { wiringFor, type Wiring } from './wiring.ts';

export interface Choices {
  folders: readonly Folder[];
  /** Default: that of an earlier copy, else one SQLite file. */
  engine: Engine | undefined;
}

export interface Plan {
  app: App;
  record: CopyRecord;
  changes: Change[];
  /** In `file`, which is tsconfig.json or one that it refers to. */
  compiler: { file: string; settings: CompilerChange[] };
  /** Whether package.json gets packages, which have to be installed. */
  needsInstall: boolean;
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
  const packages = packagesFor(shipped, app, folders, files);
  const manifest = await edit(app, 'package.json', (text) =>
    addPackages(text ?? newManifest(app, folders), app, packages),
  );
  const { change: compilerChange, compiler } = await compilerEdit(
    app,
    app.server ?? serverPath(app),
    folders.includes('local-authkit'),
  );
  const changes = [
    ...(await newFiles(app, [...copies, ...starters], known)),
    manifest,
    compilerChange,
    await edit(app, '.gitignore', (text = '') => withIgnored(text, app.isNew)),
    await edit(app, '.env.example', (text = '') => withSettingsFor(text, app, folders, engine)),
    await edit(app, RECORD_FILE, () => formatRecord(record)),
  ].filter((change) => change !== undefined);
  return {
    app,
    record,
    changes,
    compiler,
    needsInstall: changes.includes(manifest as Change),
    newServer: newServer !== undefined && starters.has(newServer) ? newServer : undefined,
    toDo: toDoFor(
      app,
      folders.filter((each) => !present.includes(each)),
      folder,
    ),
  };
}

function toDoFor(app: App, added: readonly Folder[], folder: string): Plan['toDo'] {
  if (app.server === undefined) return undefined;
  const lines = wiringFor(app, added, folder, app.server);
  if (lines.imports.length === 0) return undefined;
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

function serverPath({ sources, language, modules }: App): string {
  const extension = language === 'js' && modules === 'commonjs' ? 'mjs' : language;
  return `${sources === '' ? '' : `${sources}/`}server.${extension}`;
}

function packagesFor(
  shipped: Shipped,
  app: App,
  folders: readonly Folder[],
  files: ReadonlyMap<string, string>,
) {
  const packages = packagesOf(shipped, files, app.language);
  if (!app.isNew) return packages;
  const runner = testRunner(folders).map((name) => [name, shipped.ranges[name] ?? '*']);
  return {
    ...packages,
    devDependencies: { ...packages.devDependencies, ...Object.fromEntries(runner) },
  };
}

/** The change that `change` makes to a file of the app; undefined if it makes none. */
async function edit(
  app: App,
  path: string,
  change: (text: string | undefined) => string,
): Promise<Change | undefined> {
  if (await isBlocked(app.root, path)) throw inTheWay([path]);
  const before = await readIfPresent(join(app.root, path));
  const after = change(before);
  return after === before ? undefined : { path, before, after };
}

async function compilerEdit(app: App, source: string, withLocalAuthKit: boolean) {
  if (app.isNew) {
    const change = await edit(app, 'tsconfig.json', () => NEW_TSCONFIG);
    return { change, compiler: { file: 'tsconfig.json', settings: [] } };
  }
  const file = app.language === 'ts' ? settingsFile(app.root, source) : undefined;
  if (file === undefined) return { compiler: { file: 'tsconfig.json', settings: [] } };
  const settings = neededSettings(join(app.root, file), app.modules, withLocalAuthKit);
  const change = await edit(app, file, (text = '') => withSettings(text, settings));
  return { change, compiler: { file, settings } };
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

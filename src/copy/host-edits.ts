// The changes of the files that are the app's own: package.json, tsconfig.json, .gitignore and
// .env.example. What is missing is added; what is there stays.
import { join } from 'node:path';
import type { App } from './app.ts';
import { readIfPresent, type Change } from './changes.ts';
import { neededSettings, withSettings, type CompilerChange } from './compiler-settings.ts';
import { withIgnored, withSettingsFor } from './host-files.ts';
import { addPackages } from './manifest.ts';
import { NEW_TSCONFIG, newManifest, testRunner } from './new-app.ts';
import { formatRecord, RECORD_FILE, type CopyRecord } from './record.ts';
import { packagesOf, type Folder, type Shipped } from './shipped.ts';

export interface HostEdits {
  changes: Change[];
  compilerChanges: CompilerChange[];
  /** Whether package.json gets packages, which have to be installed. */
  needsInstall: boolean;
}

/** The changes for a copy with this record and these files; the record's own is the last. */
export async function hostEdits(
  shipped: Shipped,
  app: App,
  record: CopyRecord,
  files: ReadonlyMap<string, string>,
): Promise<HostEdits> {
  const { folders, engine } = record;
  const packages = packagesFor(shipped, app, folders, files);
  const manifest = await edit(app, 'package.json', (text) =>
    addPackages(text ?? newManifest(app, folders), app, packages),
  );
  const tsconfig = await compilerEdit(app, folders.includes('local-authkit'));
  const edits = [
    manifest,
    tsconfig.change,
    await edit(app, '.gitignore', (text = '') => withIgnored(text, app.isNew)),
    await edit(app, '.env.example', (text = '') => withSettingsFor(text, app, folders, engine)),
    await edit(app, RECORD_FILE, () => formatRecord(record)),
  ];
  return {
    changes: edits.filter((change) => change !== undefined),
    compilerChanges: tsconfig.settings,
    needsInstall: manifest !== undefined,
  };
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
  const before = await readIfPresent(join(app.root, path));
  const after = change(before);
  return after === before ? undefined : { path, before, after };
}

async function compilerEdit(app: App, withLocalAuthKit: boolean) {
  const file = join(app.root, 'tsconfig.json');
  const before = await readIfPresent(file);
  if (app.isNew) {
    const change: Change = { path: 'tsconfig.json', before, after: NEW_TSCONFIG };
    return { change, settings: [] };
  }
  if (app.language === 'js' || before === undefined) return { change: undefined, settings: [] };
  const settings = neededSettings(file, withLocalAuthKit);
  return {
    change: await edit(app, 'tsconfig.json', (text = '') => withSettings(text, settings)),
    settings,
  };
}

// The changes of the files that are the app's own: package.json, tsconfig.json, .gitignore and
// .env.example. What is missing is added; what is there stays.
import { join } from 'node:path';
import type { App } from './app.ts';
import type { Change } from './changes.ts';
import {
  hasNoOutDir,
  neededSettings,
  settingsFile,
  withSettings,
  type CompilerChange,
} from './compiler-settings.ts';
import { edit } from './file-plan.ts';
import { withIgnored, withSettingsFor } from './host-files.ts';
import { addPackages } from './manifest.ts';
import { NEW_TSCONFIG, newManifest, testRunner } from './new-app.ts';
import { formatRecord, RECORD_FILE, type CopyRecord } from './record.ts';
import { packagesOf, type Folder, type Shipped } from './shipped.ts';

export interface HostEdits {
  changes: Change[];
  /** In `file`, which is tsconfig.json or one that it refers to. */
  compiler: { file: string; settings: CompilerChange[]; writesBesideSources: boolean };
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
  const { change: compilerChange, compiler } = await compilerEdit(
    app,
    folders.includes('local-authkit'),
  );
  const edits = [
    manifest,
    compilerChange,
    await edit(app, '.gitignore', (text = '') => withIgnored(text, app.isNew)),
    await edit(app, '.env.example', (text = '') => withSettingsFor(text, app, folders, engine)),
    await edit(app, RECORD_FILE, () => formatRecord(record)),
  ];
  const changes = edits.filter((change) => change !== undefined);
  return { changes, compiler, needsInstall: manifest !== undefined };
}

/** Where a server file is written in an app without one. */
export function serverPath({ sources, language, modules }: App): string {
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

async function compilerEdit(app: App, withLocalAuthKit: boolean) {
  const source = app.server ?? serverPath(app);
  if (app.isNew) {
    const change = await edit(app, 'tsconfig.json', () => NEW_TSCONFIG);
    return {
      change,
      compiler: { file: 'tsconfig.json', settings: [], writesBesideSources: false },
    };
  }
  const file = app.language === 'ts' ? settingsFile(app.root, source) : undefined;
  if (file === undefined)
    return { compiler: { file: 'tsconfig.json', settings: [], writesBesideSources: false } };
  const settings = neededSettings(join(app.root, file), app.modules, withLocalAuthKit);
  const change = await edit(app, file, (text = '') => withSettings(text, settings));
  const writesBesideSources = hasNoOutDir(join(app.root, file));
  return { change, compiler: { file, settings, writesBesideSources } };
}

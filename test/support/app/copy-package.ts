// Versions of this package in temporary folders, and apps with a copy of them.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { init } from '../../../src/copy/init.ts';
import { readReleases } from '../../../src/copy/releases.ts';
import { readShipped, type Engine, type Folder, type Shipped } from '../../../src/copy/shipped.ts';
import type { Terminal } from '../../../src/copy/terminal.ts';
import { update } from '../../../src/copy/update.ts';

/** Texts by path; undefined deletes the file. */
export type Edits = Record<string, string | undefined | ((text: string) => string)>;

/** Edits files below this folder. */
export function editFiles(root: string, edits: Edits): void {
  for (const [path, edit] of Object.entries(edits)) {
    const file = join(root, path);
    if (edit === undefined) {
      rmSync(file);
      continue;
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof edit === 'string' ? edit : edit(readFileSync(file, 'utf8')));
  }
}

/** All files below this folder, by path, without those of git and packages. */
export function snapshot(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/[/\\](\.git|node_modules)[/\\]/.test(path));
  return Object.fromEntries(
    files.map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')]),
  );
}

/** The package as it was released, in a temporary folder. */
export async function releasedPackage(version: string): Promise<Shipped> {
  const root = await mkdtemp(join(tmpdir(), 'copy-package-'));
  for (const name of ['package.json', 'CHANGELOG.md', 'releases', 'src/copy/starters']) {
    cpSync(name, join(root, name), { recursive: true });
  }
  const archive = (await readReleases()).find((one) => one.version === version);
  for (const [name, text] of Object.entries(archive?.files ?? {})) {
    editFiles(root, { [pathInPackage(name)]: text });
    // The names of files come from src, and the archive has no sources of the local AuthKit.
    const isCompiled = name.startsWith('local-authkit/') && name.endsWith('.js');
    if (isCompiled) editFiles(root, { [`src/development/${name.replace(/js$/, 'ts')}`]: '' });
  }
  return { ...(await readShipped(root)), version };
}

/** Where the copy command looks for a file such as `auth/index.js`. */
function pathInPackage(name: string): string {
  const isLocalAuthKit = name.startsWith('local-authkit/');
  const isBuilt = name.endsWith('.js') || (isLocalAuthKit && name.endsWith('.d.ts'));
  return `${isBuilt ? 'dist' : 'src'}/${isLocalAuthKit ? 'development/' : ''}${name}`;
}

/** The same package as another version, with these edits. */
export async function nextPackage(from: Shipped, version: string, edits: Edits): Promise<Shipped> {
  const root = await mkdtemp(join(tmpdir(), 'copy-package-'));
  cpSync(from.root, root, { recursive: true });
  editFiles(root, edits);
  return { ...from, root, built: join(root, 'dist'), version };
}

/** Records what a command says, and lets nobody be asked. */
export function recordingTerminal(): Terminal & { said: string[]; results: object[] } {
  const said: string[] = [];
  const results: object[] = [];
  return {
    said,
    results,
    isInteractive: false,
    say: (text) => void said.push(text),
    result: (value) => void results.push(value),
    agree: async (_question, yes) => {
      if (!yes) throw new Error('nobody can be asked');
    },
    choose: async (_question, _options, initial) => initial,
    during: async (_title, work) => work(() => {}),
  };
}

export const quietly = {
  dryRun: false,
  yes: true,
  install: false,
  signal: new AbortController().signal,
};

const MANIFEST = '{ "name": "app", "type": "module", "dependencies": { "express": "^5.0.0" } }\n';
const TSCONFIG =
  '{ "compilerOptions": { "module": "nodenext", "rootDir": "src", "outDir": "dist" } }\n';

/** An app with a copy of these folders of the package, made by `init`. */
export async function copiedApp(
  shipped: Shipped,
  folders: Folder[] = ['auth'],
  engine: Engine = 'embedded',
): Promise<string> {
  const app = await mkdtemp(join(tmpdir(), 'copy-app-'));
  editFiles(app, {
    'package.json': MANIFEST,
    'tsconfig.json': TSCONFIG,
    'src/app.ts': "import express from 'express';\n\nexport const app = express();\n",
  });
  await init(shipped, shipped.version, app, { ...quietly, folders, engine }, recordingTerminal());
  return app;
}

/** Updates the copy; returns whether something is left to do, and what was said. */
export async function updated(shipped: Shipped, app: string, options = {}) {
  const terminal = recordingTerminal();
  const isLeft = await update(shipped, shipped.version, app, { ...quietly, ...options }, terminal);
  const [result] = terminal.results as [UpdateResult];
  return { isLeft, said: terminal.said.join('\n'), result };
}

interface UpdateResult {
  from: string;
  to: string;
  files: { path: string; result: string }[];
  conflicts: string[];
  notes: { section: string; folders: string[]; text: string }[];
  written: boolean;
}

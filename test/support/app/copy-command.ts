// The copy command as a process and in this one, and the apps that it is run on, in temporary folders.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { init } from '../../../src/copy/init.ts';
import { readShipped, type Engine, type Folder } from '../../../src/copy/shipped.ts';
import type { Wiring } from '../../../src/copy/wiring.ts';
import { builtPackage, linkPackage } from './copied-app.ts';
import { quietly, recordingTerminal } from './copy-package.ts';

const run = promisify(execFile);

/** What this package has to copy, for tests in this process. */
export const readPackage = () => readShipped(builtPackage());

/** The compiled command. */
export const copyCommand = () => join(builtPackage(), 'dist/copy/main.js');

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the copy command without a terminal, and with no settings but `env`. */
export async function runCopy(
  args: readonly string[],
  { cwd, env = {}, uid }: { cwd?: string; env?: Record<string, string>; uid?: number } = {},
): Promise<Ended> {
  const { PATH, HOME } = process.env;
  try {
    const { stdout, stderr } = await run(process.execPath, [copyCommand(), ...args], {
      ...(cwd !== undefined && { cwd }),
      ...(uid !== undefined && { uid }),
      env: { PATH, HOME, ...env },
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    return error as Ended;
  }
}

/** The result of `init --json`, as far as tests read it. */
export interface InitResult {
  version: string;
  folder: string;
  created: string[];
  changed: string[];
  compilerSettings: { name: string; from?: unknown; to: unknown }[];
  newServer?: string;
  toDo?: { server: string; lines: Wiring };
  written: boolean;
  diff?: string;
}

/** The options of `init`; by default, none. */
export interface Chosen {
  folders?: Folder[];
  engine?: Engine;
  dryRun?: boolean;
}

/** Does what `init <app> --yes --no-install` does, in this process: a start takes half a second. */
export async function initApp(
  app: string,
  options: Chosen = {},
): Promise<InitResult & { said: string }> {
  const shipped = await readPackage();
  const terminal = recordingTerminal();
  const all = { folders: [], engine: undefined, ...quietly, ...options };
  await init(shipped, shipped.version, app, all, terminal);
  const [result] = terminal.results as [InitResult];
  return { ...result, said: terminal.said.join('\n') };
}

export type Files = Readonly<Record<string, string>>;

/** Writes these files below `root`. */
export async function writeFiles(root: string, files: Files): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

/** All that is below `root`: of each file the mode and a hash, of each link where it leads. */
export async function treeOf(root: string): Promise<Record<string, string>> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  const entries = names.map(async (name) => {
    const path = join(root, name);
    const found = await lstat(path);
    const content = found.isSymbolicLink()
      ? await readlink(path)
      : found.isFile() &&
        createHash('sha256')
          .update(await readFile(path))
          .digest('hex');
    return [name, `${found.mode.toString(8)} ${content}`] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** What the packages of types import themselves. */
const IMPORTED_BY_TYPES = ['undici-types', 'pg-protocol', 'pg-types'];

/** Links the packages that package.json of the app names, in the versions installed here. */
export async function linkDependencies(app: string): Promise<void> {
  const manifest = JSON.parse(await readFile(join(app, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const packages = { ...manifest['devDependencies'], ...manifest['dependencies'] };
  await linkPackage('.bin', app);
  // Links would lead out of the app, and declarations of an Express app name types of Express's own.
  if ('typescript' in packages) {
    await cp('node_modules/@types', join(app, 'node_modules/@types'), { recursive: true });
    for (const name of IMPORTED_BY_TYPES) await linkPackage(name, app);
  }
  for (const [name, range] of Object.entries(packages)) {
    if (name.startsWith('@types/')) continue;
    if (name === 'express' && range.startsWith('^4'))
      await symlink(resolve('node_modules/express4'), join(app, 'node_modules/express'));
    else await linkPackage(name, app);
  }
}

const added = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

/**
 * Adds the lines to the server file as `init` says: imports beside those that are there, lines above the
 * routes right after the app is created, and the others before it listens.
 */
export function pasted(server: string, { imports, before, example, after }: Wiring): string {
  return server
    .replace(/(?:^(?:import .*|const .* = require\(.*)\n)+/m, (all) => all + added(imports))
    .replace(/^(?:const|var) app.* = express\(\);\n/m, (line) => line + added(before))
    .replace(/^app\.listen\(/m, (line) => added([...example, ...after]) + line);
}

/** Follows the `toDo` of the result. */
export async function pasteLines(app: string, { toDo }: InitResult): Promise<void> {
  if (toDo === undefined) return;
  const file = join(app, toDo.server);
  await writeFile(file, pasted(await readFile(file, 'utf8'), toDo.lines));
}

/** Compiler settings with every strict flag of this project, but for those of `changed`. */
export async function strictSettings(changed: object = {}): Promise<string> {
  const { compilerOptions } = JSON.parse(await readFile('tsconfig.json', 'utf8')) as {
    compilerOptions: object;
  };
  const options = { ...compilerOptions, noEmit: false, declaration: true, outDir: 'dist' };
  return JSON.stringify({ compilerOptions: { ...options, rootDir: 'src', ...changed } });
}

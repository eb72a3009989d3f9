// What the app there is like, before anything is planned: its package manager, language, modules and
// version of Express, where its sources are, and which logins it has already.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, posix, resolve } from 'node:path';
import { detect, getUserAgent, type AgentName } from 'package-manager-detector';
import { CopyError } from './errors.ts';
import { findExisting, isServer, readSources, type Existing, type Source } from './app-sources.ts';
import type { Format } from './shipped.ts';

export interface Manifest {
  name?: string;
  type?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

export interface App {
  /** The absolute path of its folder. */
  root: string;
  /** The folder is empty or missing. */
  isNew: boolean;
  manifest: Manifest;
  packageManager: AgentName;
  language: Format;
  modules: 'esm' | 'commonjs';
  /** The major version; undefined if the app does not have Express yet. */
  express: number | undefined;
  /** Where its sources are, such as `src`; '' is the folder itself. */
  sources: string;
  /** The file that creates the Express app. */
  server: string | undefined;
  existing: Existing;
}

/** What does not make a folder an app. */
const NOT_YET_AN_APP = new Set(['.git', '.gitignore', '.gitattributes', 'LICENSE', 'README.md']);

/**
 * Looks at the app in this folder and changes nothing. `copied` are the folders of a copy, below the
 * app: what is in them is not the app's own.
 * @throws CopyError `not_an_app`
 */
export async function lookAt(folder: string, copied: readonly string[] = []): Promise<App> {
  const root = resolve(folder);
  const names = await namesIn(root);
  const isNew = names.every((name) => NOT_YET_AN_APP.has(name));
  const manifest = isNew ? {} : await readManifest(root);
  const sources = isNew ? [] : await readSources(root, copied);
  const language = isNew || isTypeScript(root, manifest, sources) ? 'ts' : 'js';
  const servers = sources.filter(isServer);
  const server = servers.find(({ text }) => /\.listen\(/.test(text)) ?? servers[0];
  return {
    root,
    isNew,
    manifest,
    packageManager: await packageManagerOf(root),
    language,
    modules: isNew || manifest.type === 'module' ? 'esm' : 'commonjs',
    express: majorOf({ ...manifest.devDependencies, ...manifest.dependencies }['express']),
    sources: sourceFolder(root, server, isNew),
    server: server?.path,
    existing: findExisting(sources),
  };
}

async function namesIn(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code !== 'ENOTDIR') throw error;
    throw new CopyError('not_an_app', `${root} is a file. Name the folder of your app.`, {
      cause: error,
    });
  }
}

async function readManifest(root: string): Promise<Manifest> {
  let text: string;
  try {
    text = await readFile(join(root, 'package.json'), 'utf8');
  } catch (cause) {
    const advice = 'Name the folder of your app, or an empty or missing folder for a new app.';
    throw new CopyError('not_an_app', `${root} has files, but no package.json. ${advice}`, {
      cause,
    });
  }
  try {
    const parsed: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed;
    throw new TypeError('no object');
  } catch (cause) {
    const message = `${join(root, 'package.json')} is not valid JSON. Correct it first.`;
    throw new CopyError('not_an_app', message, { cause });
  }
}

function isTypeScript(root: string, manifest: Manifest, sources: readonly Source[]): boolean {
  if (existsSync(join(root, 'tsconfig.json'))) return true;
  return (
    sources.some(({ path }) => /\.[cm]?tsx?$/.test(path)) && 'typescript' in allPackages(manifest)
  );
}

export const allPackages = ({ dependencies, devDependencies }: Manifest) => ({
  ...devDependencies,
  ...dependencies,
});

/** That of the app or of the workspace above it; else the one that started this command. */
async function packageManagerOf(root: string): Promise<AgentName> {
  let existing = root;
  while (!existsSync(existing)) existing = dirname(existing);
  const found = await detect({ cwd: existing });
  return found?.name ?? getUserAgent() ?? 'npm';
}

/** The major version that a range such as `^4.18.2` begins with. */
export function majorOf(range: string | undefined): number | undefined {
  const [, major] = /^(?:npm:[^@]+@)?\D*(\d+)/.exec(range ?? '') ?? [];
  return major === undefined ? undefined : Number(major);
}

function sourceFolder(root: string, server: Source | undefined, isNew: boolean): string {
  if (server) {
    const [first = ''] = posix.dirname(server.path).split('/');
    return first === '.' ? '' : first;
  }
  return isNew || existsSync(join(root, 'src')) ? 'src' : '';
}

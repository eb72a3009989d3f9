// What the app there is like, before anything is planned: its package manager, language, modules and
// version of Express, where its sources are, and which logins it has already.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, posix, resolve } from 'node:path';
import { detect, getUserAgent, type AgentName } from 'package-manager-detector';
import { z } from 'zod';
import { CopyError } from './errors.ts';
import { findExisting, isServer, readSources, type Existing, type Source } from './app-sources.ts';
import type { Format } from './shipped.ts';

const texts = z.record(z.string(), z.string()).optional();
const manifestSchema = z.looseObject({
  name: z.string().optional(),
  main: z.string().optional(),
  type: z.string().optional(),
  scripts: texts,
  dependencies: texts,
  devDependencies: texts,
  peerDependencies: texts,
  optionalDependencies: texts,
});
export type Manifest = z.infer<typeof manifestSchema>;

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
const NOT_YET_AN_APP = new Set(
  '.git .gitignore .gitattributes .DS_Store .editorconfig .github .vscode LICENSE README.md'.split(
    ' ',
  ),
);

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
  const server = serverIn(sources, manifest);
  const language = isNew || isTypeScript(root, manifest, sources, server) ? 'ts' : 'js';
  return {
    root,
    isNew,
    manifest,
    packageManager: await packageManagerOf(root),
    language,
    modules: isNew || isEsm(manifest, server) ? 'esm' : 'commonjs',
    express: majorOf(allPackages(manifest)['express'], () => installedVersion(root, 'express')),
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
    const fault = code === 'ENOTDIR' ? 'is a file' : `cannot be read (${code})`;
    throw new CopyError('not_an_app', `${root} ${fault}. Name the folder of your app.`, {
      cause: error,
    });
  }
}

async function readManifest(root: string): Promise<Manifest> {
  const file = join(root, 'package.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message =
      code === 'ENOENT'
        ? `${root} has files, but no package.json. Name the folder of your app, or an empty or missing folder for a new app.`
        : `${file} cannot be read (${code}).`;
    throw new CopyError('not_an_app', message, { cause });
  }
  try {
    return manifestSchema.parse(JSON.parse(text.replace(/^\uFEFF/, '')));
  } catch (cause) {
    const fault =
      cause instanceof z.ZodError
        ? `is not as npm expects it: ${z.prettifyError(cause)}`
        : 'is not valid JSON';
    throw new CopyError('not_an_app', `${file} ${fault}. Correct it first.`, { cause });
  }
}

/** Of several, a source rather than what was built from it, and the one that package.json starts or that listens. */
function serverIn(sources: readonly Source[], { main, scripts }: Manifest): Source | undefined {
  const commands = [main ?? '', ...Object.values(scripts ?? {})].join(' ');
  const isStarted = ({ path }: Source) => commands.split(/[\s"']+(?:\.\/)?/).includes(path);
  const found = sources.filter(isServer);
  const inTypeScript = found.filter(({ path }) => TYPESCRIPT.test(path));
  const servers = inTypeScript.length > 0 ? inTypeScript : found;
  return (
    servers.find(isStarted) ?? servers.find(({ text }) => /\.listen\(/.test(text)) ?? servers[0]
  );
}

const TYPESCRIPT = /\.[cm]?tsx?$/;

/** The language of the server file; a tsconfig.json may also be there to check JavaScript. */
function isTypeScript(
  root: string,
  manifest: Manifest,
  sources: readonly Source[],
  server: Source | undefined,
): boolean {
  if (server) return TYPESCRIPT.test(server.path);
  if (existsSync(join(root, 'tsconfig.json'))) return true;
  return sources.some(({ path }) => TYPESCRIPT.test(path)) && 'typescript' in allPackages(manifest);
}

/** A .js file without a `type` in package.json may be either. */
function isEsm({ type }: Manifest, server: Source | undefined): boolean {
  if (server && /\.[cm][jt]s$/.test(server.path)) return /\.m[jt]s$/.test(server.path);
  if (type !== undefined || !server || TYPESCRIPT.test(server.path)) return type === 'module';
  return /^import\b/m.test(server.text);
}

export const allPackages = (manifest: Manifest) => ({
  ...manifest.peerDependencies,
  ...manifest.optionalDependencies,
  ...manifest.devDependencies,
  ...manifest.dependencies,
});

/** That of the app or of the workspace above it; else the one that started this command. */
async function packageManagerOf(root: string): Promise<AgentName> {
  let existing = root;
  while (!existsSync(existing)) existing = dirname(existing);
  const found = await detect({ cwd: existing });
  return found?.name ?? getUserAgent() ?? 'npm';
}

/** A range with one major version, such as `^4.18.2`, `5.x` or `npm:fork@~4.1`. */
const ONE_MAJOR = /^(?:npm:@?[^@]+@|workspace:)?[\^~=v\s]*(\d+)(?![^|]*\|\|)/;

/** The major version of this range; if it has none or several, that of the `installed` version. */
export function majorOf(
  range: string | undefined,
  installed: () => string | undefined = () => undefined,
): number | undefined {
  if (range === undefined) return undefined;
  const [, major] = ONE_MAJOR.exec(range) ?? /^(\d+)/.exec(installed() ?? '') ?? [];
  return major === undefined ? undefined : Number(major);
}

/** The version of this package that the app has in node_modules, its own or one further up. */
export function installedVersion(root: string, name: string): string | undefined {
  try {
    const require = createRequire(join(root, 'package.json'));
    return (require(`${name}/package.json`) as { version?: string }).version;
  } catch {
    return undefined;
  }
}

function sourceFolder(root: string, server: Source | undefined, isNew: boolean): string {
  if (server) {
    const [first = ''] = posix.dirname(server.path).split('/');
    return first === '.' ? '' : first;
  }
  return isNew || existsSync(join(root, 'src')) ? 'src' : '';
}

// The package as `npm pack` makes it, and npm with a registry of this machine, in folders without this
// checkout.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startRegistry, type Registry } from '../machine/registry.ts';
import { readText, section } from '../reading/markdown.ts';
import { commandsIn } from './copied-app.ts';

const run = promisify(execFile);

/** What the package is made from. */
const SOURCES = ['src', 'releases', 'scripts', 'package.json', 'tsconfig.json'];
const OTHERS = ['tsconfig.build.json', 'README.md', 'CHANGELOG.md', 'LICENSE'];

/**
 * Runs `command` of the document, which packs, in a copy of what the package is made from: the dist of
 * this checkout stays as it is. `stale` is a file that an earlier build has left in the copy's dist.
 */
async function pack(command: string, stale: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  // In this checkout, for its node_modules: the compiler cannot name types behind a symbolic link.
  await mkdir('.data', { recursive: true });
  const clone = await mkdtemp(resolve('.data/pack-'));
  try {
    for (const name of [...SOURCES, ...OTHERS]) {
      await cp(name, join(clone, name), { recursive: true });
    }
    await mkdir(join(clone, 'dist'));
    await writeFile(join(clone, 'dist', stale), '');
    return await shell(command, clone, env);
  } finally {
    await rm(clone, { recursive: true });
  }
}

/** The environment of a user whose npm knows this registry alone. `cache` is a folder. */
export function npmEnvironment(registry: string, cache: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: cache,
    npm_config_registry: registry,
    npm_config_cache: cache,
    npm_config_fetch_retries: '0',
    npm_config_audit: 'false',
    npm_config_update_notifier: 'false',
  };
}

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export interface PackedWorld {
  /** Holds `your-app`, in which the package is installed, and nothing of this checkout. */
  root: string;
  app: string;
  env: NodeJS.ProcessEnv;
  registry: Registry;
  close(): Promise<void>;
}

/** Follows the commands of "Depend on it instead"; throws with the output of the one that fails. */
export async function openPackedWorld(): Promise<PackedWorld> {
  // With a space and an umlaut, as the folders of users have.
  const root = await mkdtemp(join(tmpdir(), 'packed für '));
  const app = join(root, 'your-app');
  const registry = await startRegistry();
  const env = npmEnvironment(registry.url, join(root, 'npm'));
  const close = async () => {
    await registry.close();
    await rm(root, { recursive: true, force: true });
  };
  await mkdir(app);
  await writeFile(join(app, 'package.json'), '{ "private": true }');
  const text = section(readText('docs/copying.md'), 'Depend on it instead');
  const [, packing = '', , ...install] = commandsIn(text).filter((line) => line !== '');
  const ended = [await pack(packing.replace('../your-app', `"${app}"`), 'stale.js', env)];
  for (const line of install) ended.push(await shell(line, app, env));
  const failed = ended.find(({ code }) => code !== 0);
  if (!failed) return { root, app, env, registry, close };
  await close();
  throw new Error(`${failed.stdout}\n${failed.stderr}`);
}

/** Runs a command line of a shell until it ends. */
export async function shell(command: string, cwd: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  return run('sh', ['-c', command], { cwd, env }).then(
    (output) => ({ code: 0, ...output }),
    ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
  );
}

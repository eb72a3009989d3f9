// What this package has to copy: the folders, as TypeScript from src or as JavaScript from dist, and
// the packages that they import, in the versions they were tested with.
import { readdir, readFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const FOLDERS = ['auth', 'store', 'bearer', 'events', 'live', 'local-authkit'] as const;
export type Folder = (typeof FOLDERS)[number];
/** The local AuthKit is always JavaScript, with types: an app runs it, but does not compile it. */
export type Format = 'ts' | 'js';
export const ENGINES = ['embedded', 'redis', 'postgres', 'any'] as const;
/** The engine of the session store; `any` for an app that chooses when it starts. */
export type Engine = (typeof ENGINES)[number];

export interface Selection {
  folders: readonly Folder[];
  format: Format;
  /** The files that only other engines need are left out. */
  engine: Engine;
}

export interface Shipped {
  /** The folder of this package: a checkout, or installed from the packed file. */
  root: string;
  /** Where its compiled files are. */
  built: string;
  name: string;
  version: string;
  /** The tested version range of each package. */
  ranges: Readonly<Record<string, string>>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The names below src/store that only these engines need; docs/copying.md says the same. */
const OF_OTHER_ENGINES: Record<Engine, readonly string[]> = {
  embedded: ['index', 'postgres', 'redis', 'redis-connection'],
  redis: ['index', 'embedded', 'postgres'],
  postgres: ['index', 'embedded', 'redis', 'redis-connection'],
  any: [],
};

/** Reads the name, version and packages of this package. */
export async function readShipped(root = ROOT): Promise<Shipped> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    name: string;
    version: string;
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const { name, version, dependencies, devDependencies } = manifest;
  const ranges = { ...devDependencies, ...dependencies };
  return { root, built: join(root, 'dist'), name, version, ranges };
}

/** The files of these folders, by names such as `auth/index.ts`. */
export async function filesOf(
  shipped: Shipped,
  selection: Selection,
): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const folder of selection.folders) {
    const found =
      folder === 'local-authkit'
        ? await localAuthKitFiles(shipped)
        : await sourceFiles(shipped, folder, selection.format);
    for (const [name, text] of found) if (isSelected(name, selection)) files.set(name, text);
  }
  return files;
}

/** Whether a file such as `store/redis/store.ts` is among those of these folders. */
export function isSelected(name: string, { folders, format, engine }: Selection): boolean {
  const [folder, below = ''] = name.split(/[/.]/);
  if (!folders.some((selected) => selected === folder)) return false;
  if (folder === 'local-authkit') return true;
  const isOfOtherEngine = folder === 'store' && OF_OTHER_ENGINES[engine].includes(below);
  return name.endsWith(`.${format}`) && !isOfOtherEngine;
}

// Names come from src: the compiler leaves files in dist whose sources are gone.
async function sourceFiles({ root, built }: Shipped, folder: Folder, format: Format) {
  const names = await namesIn(join(root, 'src', folder));
  const files = names.filter((name) => name.endsWith('.ts'));
  if (format === 'ts') return readFiles(join(root, 'src', folder), folder, files);
  return readFiles(join(built, folder), folder, files.map(toJavaScript));
}

async function localAuthKitFiles({ root, built }: Shipped): Promise<[string, string][]> {
  const [as, below] = ['local-authkit', 'development/local-authkit'];
  const names = await namesIn(join(root, 'src', below));
  const compiled = names.filter((name) => /(?<!\.d)\.ts$/.test(name));
  const declarations = compiled.map((name) => name.replace(/ts$/, 'd.ts'));
  const others = names.filter((name) => /\.(eta|css|svg|d\.ts)$/.test(name));
  return [
    ...(await readFiles(join(built, below), as, [...compiled.map(toJavaScript), ...declarations])),
    ...(await readFiles(join(root, 'src', below), as, others)),
    // Marks the folder as ES modules in an app of CommonJS too.
    [`${as}/package.json`, '{ "type": "module", "private": true }\n'],
  ];
}

const toJavaScript = (name: string) => name.replace(/ts$/, 'js');

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.map((name) => name.replaceAll('\\', '/')).toSorted();
}

function readFiles(
  folder: string,
  as: string,
  names: readonly string[],
): Promise<[string, string][]> {
  return Promise.all(
    names.map(async (name): Promise<[string, string]> => {
      const text = await readFile(join(folder, name), 'utf8');
      return [`${as}/${name}`, text.replace(/\/\/# sourceMappingURL=.*\n?$/, '')];
    }),
  );
}

export interface Packages {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

/** The packages that these files import; for TypeScript, with the compiler and missing types. */
export function packagesOf(
  { ranges }: Shipped,
  files: ReadonlyMap<string, string>,
  format: Format,
): Packages {
  const imported = new Set<string>();
  const forDevelopment = new Set<string>();
  for (const [name, text] of files) {
    const isLocalAuthKit = name.startsWith('local-authkit/');
    for (const found of importsIn(text)) (isLocalAuthKit ? forDevelopment : imported).add(found);
  }
  if (format === 'ts') {
    for (const found of [...imported, ...forDevelopment]) {
      if (`@types/${found}` in ranges) forDevelopment.add(`@types/${found}`);
    }
    forDevelopment.add('@types/node').add('typescript');
  }
  const withRanges = (names: Iterable<string>) =>
    Object.fromEntries([...names].toSorted().map((name) => [name, ranges[name] ?? '*']));
  return {
    dependencies: withRanges(imported),
    devDependencies: withRanges([...forDevelopment].filter((name) => !imported.has(name))),
  };
}

/** The packages that a source imports: statically, for effect or dynamically. */
export function importsIn(source: string): string[] {
  const imports = /\bfrom '([^']+)';$|^import '([^']+)';$|\bimport\('([^']+)'\)/gm;
  return [...source.matchAll(imports)]
    .map(([, ...found]) => found.find(Boolean) ?? '')
    .filter((name) => !name.startsWith('.') && !isBuiltin(name))
    .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
}

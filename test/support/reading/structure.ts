// Checks of the layout of the project: the import graph of src, the size of its files, the names in
// their text, and the folders of test. Each returns its findings as lines.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export interface Source {
  /** From the root of the project, with slashes. */
  path: string;
  text: string;
  /** Lines that are neither blank nor comments. */
  code: string[];
  /** The text of all comments, those at the end of a line of code too. */
  comments: string;
  /** Relative imports, resolved: static, dynamic, re-exports and types. */
  imports: string[];
}

/** All src/**\/*.ts files below this root. */
export function readSources(root: string): Source[] {
  return filesIn(root, 'src')
    .filter((path) => path.endsWith('.ts'))
    .map((path) => toSource(path, readFileSync(join(root, path), 'utf8')));
}

const IGNORED = new Set(['node_modules', '.git', '.data', 'dist']);

/** The paths of the project's files, without installed and built ones. */
export function filesIn(root: string, folder = '.'): string[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries
    .filter(({ name }) => !IGNORED.has(name))
    .flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      return entry.isDirectory() ? filesIn(root, path) : [path];
    })
    .toSorted();
}

function toSource(path: string, text: string): Source {
  const { code, comments } = split(text);
  const imports = [...code.join('\n').matchAll(IMPORT)].map(([, , to = '']) =>
    posix.join(posix.dirname(path), to),
  );
  return { path, text, code, comments: comments.join('\n'), imports: [...new Set(imports)] };
}

const IMPORT = /\b(?:from|import)\b\s*\(?\s*(['"`])(\.\.?\/[^'"`]+)\1/g;

/** Works by line, since the formatter puts a comment on its own lines or at the end of a line. */
function split(text: string) {
  const code: string[] = [];
  const comments: string[] = [];
  let isInside = false;
  for (const line of text.split('\n')) {
    const trimmed = line.trim();
    const begins = trimmed.startsWith('/*');
    if (isInside || begins || trimmed.startsWith('//')) {
      comments.push(trimmed);
      isInside = (isInside || begins) && !trimmed.includes('*/');
    } else if (trimmed !== '') {
      const [, before = line, comment = ''] = /^(.*?\S)\s+(\/[/*]\s.*)$/.exec(line) ?? [];
      code.push(before);
      comments.push(comment);
    }
  }
  return { code, comments };
}

/** A shortest import cycle of each file that has one, unless an earlier cycle includes the file. */
export function findCycles(sources: Source[]): string[] {
  const graph = new Map(sources.map(({ path, imports }) => [path, imports]));
  const reported = new Set<string>();
  return sources.flatMap(({ path }) => {
    const cycle = reported.has(path) ? undefined : shortestCycle(graph, path);
    for (const step of cycle ?? []) reported.add(step);
    return cycle ? [cycle.join(' -> ')] : [];
  });
}

function shortestCycle(graph: Map<string, string[]>, start: string): string[] | undefined {
  const seen = new Set<string>();
  // Breadth-first search: the loop adds to the list that it walks.
  const paths = [[start]];
  for (const path of paths) {
    for (const next of graph.get(path.at(-1) ?? '') ?? []) {
      if (next === start) return [...path, start];
      if (!seen.has(next)) paths.push([...path, next]);
      seen.add(next);
    }
  }
  return undefined;
}

const isIn = (path: string, folder: string) => path.startsWith(`${folder}/`);
const within = (sources: Source[], folders: string[]) =>
  sources.filter(({ path }) => folders.some((folder) => isIn(path, folder)));

/** Relative imports from this folder into folders that are not allowed. */
export function findForeignImports(
  sources: Source[],
  folder: string,
  allowed: string[] = [],
): string[] {
  return within(sources, [folder]).flatMap(({ path, imports }) =>
    imports
      .filter((to) => ![folder, ...allowed].some((each) => isIn(to, each)))
      .map((to) => `${path} imports ${to}`),
  );
}

/** The .ts files directly in src. */
export const findRootFiles = (sources: Source[]): string[] =>
  sources.map(({ path }) => path).filter((path) => posix.dirname(path) === 'src');

/** Files with more lines of code than this. */
export const findLongFiles = (sources: Source[], most: number): string[] =>
  sources
    .filter(({ code }) => code.length > most)
    .map(({ path, code }) => `${path} has ${code.length} lines of code`);

/** The places where these folders name environment variables of the host, in code or comments. */
export function findHostNames(sources: Source[], folders: string[], names: string[]): string[] {
  const named = new RegExp(`\\b(?:${names.join('|')}|process\\??\\.env)\\b`, 'g');
  return within(sources, folders).flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        [...line.matchAll(named)].map(([name]) => `${path}:${index + 1} says ${name}`),
      ),
  );
}

// Without .js, which ends product names and names of built files; without URLs and patterns.
const FILE_NAME =
  /(?<![\w./@*>}-])(?:\.{1,2}\/)?[\w.-]+(?:\/[\w.-]+)*\.(?:[cm]?ts|mjs|md|json|eta|css|ya?ml)\b(?![(/])/g;

/**
 * Files that comments name but that do not exist. `files` are the paths of the project; a name must
 * be one of them, or the end of a path in src: `metadata.ts`, `demo/format.ts`.
 */
export function findMissingFiles(sources: Source[], files: string[]): string[] {
  const inSource = files.filter((path) => isIn(path, 'src'));
  const exists = (name: string) =>
    files.includes(name) || inSource.some((path) => `/${path}`.endsWith(`/${name}`));
  return sources.flatMap(({ path, comments }) =>
    [...comments.matchAll(FILE_NAME)]
      .map(([name]) => name)
      .filter((name) => {
        const besides = posix.join(posix.dirname(path), name);
        return name.startsWith('.') ? !files.includes(besides) : !exists(name);
      })
      .map((name) => `${path} cites ${name}`),
  );
}

/** Files in test whose folder is neither a folder of src at the same path nor an `extra` one. */
export function findStrayTests(files: string[], extra: string[]): string[] {
  const folders = new Set(
    files
      .filter((path) => isIn(path, 'src'))
      .flatMap((path) => [...path.matchAll(/(?=\/)/g)].map(({ index }) => path.slice(0, index))),
  );
  return files.filter((path) => {
    if (!isIn(path, 'test')) return false;
    const folder = posix.dirname(path).replace(/^test/, 'src');
    const isExtra = extra.some((name) => isIn(path, `test/${name}`));
    return !isExtra && (folder === 'src' || !folders.has(folder));
  });
}

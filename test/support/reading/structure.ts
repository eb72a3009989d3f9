// Where the code lies, as tests hold it: the import graph of src, the size of its files, and what the
// text of a file names. What is found is told in lines that a person can act on.
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
  /** Relative imports, resolved: static, dynamic, re-exports and those of types. */
  imports: string[];
}

/** All of src/**\/*.ts below this root. */
export function readSources(root: string): Source[] {
  return filesIn(root, 'src')
    .filter((path) => path.endsWith('.ts'))
    .map((path) => toSource(path, readFileSync(join(root, path), 'utf8')));
}

const NOT_OURS = new Set(['node_modules', '.git', '.data', 'dist']);

/** The paths of the project's files, what is installed or built left out. */
export function filesIn(root: string, folder = '.'): string[] {
  if (!existsSync(join(root, folder))) return [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries
    .filter(({ name }) => !NOT_OURS.has(name))
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

/** Line by line: the formatter leaves a comment on lines of its own, or at the end of one. */
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

/** A shortest way back to each file that reaches itself, but for those on a way told before. */
export function findCircles(sources: Source[]): string[] {
  const graph = new Map(sources.map(({ path, imports }) => [path, imports]));
  const told = new Set<string>();
  return sources.flatMap(({ path }) => {
    const way = told.has(path) ? undefined : wayBack(graph, path);
    for (const step of way ?? []) told.add(step);
    return way ? [way.join(' -> ')] : [];
  });
}

function wayBack(graph: Map<string, string[]>, start: string): string[] | undefined {
  const seen = new Set<string>();
  // Breadth first: the list grows while it is walked.
  const ways = [[start]];
  for (const way of ways) {
    for (const next of graph.get(way.at(-1) ?? '') ?? []) {
      if (next === start) return [...way, start];
      if (!seen.has(next)) ways.push([...way, next]);
      seen.add(next);
    }
  }
  return undefined;
}

const isIn = (path: string, folder: string) => path.startsWith(`${folder}/`);
const within = (sources: Source[], folders: string[]) =>
  sources.filter(({ path }) => folders.some((folder) => isIn(path, folder)));

/** Relative imports that leave this folder for another than the allowed ones. */
export function findEscapes(sources: Source[], folder: string, allowed: string[] = []): string[] {
  return within(sources, [folder]).flatMap(({ path, imports }) =>
    imports
      .filter((to) => ![folder, ...allowed].some((each) => isIn(to, each)))
      .map((to) => `${path} imports ${to}`),
  );
}

/** The .ts files that lie in src itself, in none of its folders. */
export const findAtRoot = (sources: Source[]): string[] =>
  sources.map(({ path }) => path).filter((path) => posix.dirname(path) === 'src');

/** Files with more lines of code than this. */
export const findLong = (sources: Source[], most: number): string[] =>
  sources
    .filter(({ code }) => code.length > most)
    .map(({ path, code }) => `${path} has ${code.length} lines of code`);

/** Where these folders name what only their host knows: its variables, in code or comment. */
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

// Not .js, which ends names of products and of what the build makes; no address and no pattern.
const FILE_NAME =
  /(?<![\w./@*>}-])(?:\.{1,2}\/)?[\w.-]+(?:\/[\w.-]+)*\.(?:[cm]?ts|mjs|md|json|ejs|css|ya?ml)\b(?![(/])/g;

/**
 * Files that comments name and that are not there. `files` are the paths of the project; a name is
 * one of them, or the end of a path in src: `metadata.ts`, `demo/format.ts`.
 */
export function findGhosts(sources: Source[], files: string[]): string[] {
  const inSource = files.filter((path) => isIn(path, 'src'));
  const isThere = (name: string) =>
    files.includes(name) || inSource.some((path) => `/${path}`.endsWith(`/${name}`));
  return sources.flatMap(({ path, comments }) =>
    [...comments.matchAll(FILE_NAME)]
      .map(([name]) => name)
      .filter((name) => {
        const besides = posix.join(posix.dirname(path), name);
        return name.startsWith('.') ? !files.includes(besides) : !isThere(name);
      })
      .map((name) => `${path} cites ${name}`),
  );
}

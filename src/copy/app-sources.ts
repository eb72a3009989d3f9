// Reads the sources of the app, for what stands in the way of sign-in or beside it.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Source {
  /** Below the app, with forward slashes. */
  path: string;
  /** Without its comments. */
  text: string;
}

export interface Place {
  path: string;
  line: number;
}

/** What the app has already. Each is the first place where it was seen. */
export interface Existing {
  /** express-session, cookie-session or a relative. */
  session?: Place;
  /** A login of its own with passport. */
  passport?: Place;
  /** The first of its routes that has one of the paths of sign-in. */
  route?: Place & { route: string };
  /** Its own declaration of `Express.User`. */
  user?: Place;
}

const SKIPPED = new Set(
  'node_modules dist build out coverage test tests __tests__ e2e spec public'.split(' '),
);
const MOST_FILES = 5000;
const MOST_BYTES = 1024 * 1024;

/** The app's own JavaScript and TypeScript, without its tests and what is built. */
export async function readSources(root: string, copied: readonly string[]): Promise<Source[]> {
  const sources: Source[] = [];
  const folders = [''];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const entry of await entriesOf(join(root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const isSkipped = [
        entry.name.startsWith('.'),
        SKIPPED.has(entry.name),
        copied.includes(path),
      ];
      if (entry.isDirectory() && !isSkipped.includes(true)) folders.push(path);
      if (!entry.isFile() || !isSource(entry.name)) continue;
      if (sources.length === MOST_FILES) return sources;
      const { size } = await stat(join(root, path));
      if (size > MOST_BYTES) continue;
      const text = await readFile(join(root, path), 'utf8').catch(() => '');
      sources.push({ path, text: withoutComments(text) });
    }
  }
  return sources.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** What cannot be read, such as the data of a database, is not source. */
const entriesOf = (folder: string) => readdir(folder, { withFileTypes: true }).catch(() => []);

const isSource = (name: string) => /\.[cm]?[jt]sx?$/.test(name) && !/\.(test|spec)\./.test(name);

const COMMENT_OR_STRING =
  /\/\/.*|\/\*[^]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[^]|[^`\\])*`/g;

/** The text with blanks in place of comments; its lines keep their numbers. */
const withoutComments = (text: string) =>
  text.replace(COMMENT_OR_STRING, (found) =>
    found.startsWith('/') ? found.replace(/[^\n]/g, ' ') : found,
  );

/** Matches the import of a package as a whole; its group is the name that it gets. */
const importOf = (name: string) =>
  new RegExp(
    `\\bimport\\s+(?:\\*\\s*as\\s+)?(\\w+)[^'";]*?\\bfrom\\s*['"]${name}['"]` +
      `|\\b(\\w+)\\s*=\\s*require\\(\\s*['"]${name}['"]`,
  );

/** Where the package that a file imports is called; -1 if it is not. */
function callOf({ text }: Source, name: string): number {
  const [, imported, required] = importOf(name).exec(text) ?? [];
  const called = imported ?? required;
  const direct = `require\\(\\s*['"]${name}['"]\\s*\\)\\(`;
  const byName = called === undefined ? '' : `|(?<![.\\w])${called}(?:\\.default)?\\(`;
  return text.search(new RegExp(direct + byName));
}

/** Whether the file creates an Express app. */
export const isServer = (source: Source) => callOf(source, 'express') !== -1;

const SESSION = '(?:express-session|cookie-session|client-sessions)';
const PASSPORT = /\bpassport\s*\.\s*(?:authenticate|use|session)\(/;
const ROUTE =
  /(?<!axios|fetch|http)\.\s*(?:get|post|all|use|route)\(\s*(?:\[[^\]]*?)?['"`](\/(?:login|callback|logout))\/?['"`]/i;
/** `interface User` inside `namespace Express`, beside other declarations there. */
const USER = /\bnamespace\s+Express\s*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*?\binterface\s+User\b/;

/** Finds sessions, logins and routes of the app itself. */
export function findExisting(all: readonly Source[]): Existing {
  const sources = all.filter(({ path }) => !/\.d\.[cm]?ts$/.test(path));
  const session = find(sources, (source) => callOf(source, SESSION));
  const passport = find(sources, ({ text }) => text.search(PASSPORT));
  const route = find(sources, ({ text }) => text.search(ROUTE));
  const user = find(all, ({ text }) => lastLineOf(USER.exec(text)));
  return {
    ...(session && { session: session.place }),
    ...(passport && { passport: passport.place }),
    ...(route && { route: { ...route.place, route: ROUTE.exec(route.text)?.[1] ?? '' } }),
    ...(user && { user: user.place }),
  };
}

const lastLineOf = (match: RegExpExecArray | null) =>
  match ? match.index + match[0].lastIndexOf('interface') : -1;

function find(sources: readonly Source[], indexIn: (source: Source) => number) {
  for (const source of sources) {
    const index = indexIn(source);
    if (index === -1) continue;
    const line = source.text.slice(0, index).split('\n').length;
    return { place: { path: source.path, line }, text: source.text };
  }
  return undefined;
}

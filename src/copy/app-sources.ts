// Reads the sources of the app, for what stands in the way of sign-in or beside it.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Source {
  /** Below the app, with forward slashes. */
  path: string;
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

const SKIPPED = new Set(['node_modules', 'dist', 'build', 'out', 'coverage', 'test', 'tests']);
const MOST_FILES = 5000;
const MOST_BYTES = 1024 * 1024;

/** The app's own JavaScript and TypeScript, without its tests and what is built. */
export async function readSources(root: string, copied: readonly string[]): Promise<Source[]> {
  const sources: Source[] = [];
  const folders = [''];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const isSkipped = [
        entry.name.startsWith('.'),
        SKIPPED.has(entry.name),
        copied.includes(path),
      ];
      if (entry.isDirectory() && !isSkipped.includes(true)) folders.push(path);
      if (!entry.isFile() || !/(?<!\.d)\.[cm]?[jt]sx?$/.test(entry.name)) continue;
      if (sources.length === MOST_FILES) return sources;
      const { size } = await stat(join(root, path));
      if (size <= MOST_BYTES)
        sources.push({ path, text: await readFile(join(root, path), 'utf8') });
    }
  }
  return sources.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

const imports = (name: string) =>
  new RegExp(`\\b(?:from|require\\(|import\\(?)\\s*['"]${name}['"]`);

/** Whether the file creates an Express app. */
export function isServer({ text }: Source): boolean {
  return imports('express').test(text) && /\bexpress(\.default)?\(\)/.test(text);
}

const SESSION = imports('(?:express-session|cookie-session|client-sessions|iron-session)');
const PASSPORT = /\bpassport\s*\.\s*(?:authenticate|use|session)\(/;
const ROUTE =
  /\.\s*(?:get|post|all|use|route)\(\s*['"`](\/(?:login|callback|logout|signed-out))\b['"`/]/;
const USER = /\binterface\s+User\b/;

/** Finds sessions, logins and routes of the app itself. */
export function findExisting(sources: readonly Source[]): Existing {
  const session = find(sources, SESSION);
  const passport = find(sources, PASSPORT);
  const route = find(sources, ROUTE);
  const user = find(
    sources.filter(({ text }) => /\bnamespace\s+Express\b/.test(text)),
    USER,
  );
  return {
    ...(session && { session: session.place }),
    ...(passport && { passport: passport.place }),
    ...(route && { route: { ...route.place, route: route.found } }),
    ...(user && { user: user.place }),
  };
}

function find(
  sources: readonly Source[],
  pattern: RegExp,
): { place: Place; found: string } | undefined {
  for (const { path, text } of sources) {
    const lines = text.split('\n');
    const index = lines.findIndex((line) => !isComment(line) && pattern.test(line));
    if (index === -1) continue;
    const [whole = '', group] = pattern.exec(lines[index] ?? '') ?? [];
    return { place: { path, line: index + 1 }, found: group ?? whole };
  }
  return undefined;
}

const isComment = (line: string) => /^\s*(\/\/|\*|\/\*)/.test(line);

// Reads CHANGELOG.md: which version changed what in which of the folders that people copy. Its form is
// Keep a Changelog 1.1 (https://keepachangelog.com/en/1.1.0/), and each entry begins with its folders.

import { FOLDERS } from './shipped.ts';

const SECTIONS = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'] as const;
/** What else an entry may be about. */
const ELSEWHERE = ['demo', 'deploy', 'docs', 'examples'];
/** The version of the entries that no version has yet. */
export const UNRELEASED = 'Unreleased';

export interface Entry {
  section: (typeof SECTIONS)[number];
  /** Such as `auth` and `store`; empty if the entry concerns nothing that is copied. */
  folders: string[];
  /** Markdown, without the names of the folders. */
  text: string;
}

export interface Release {
  /** Such as `0.2.0`, or UNRELEASED. */
  version: string;
  /** As `2026-11-27`; empty for UNRELEASED. */
  date: string;
  entries: Entry[];
}

const RELEASE = /^## \[(?:(Unreleased)\]|(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2}))$/;

/**
 * Takes the text of CHANGELOG.md; returns its releases in its order, the newest first.
 * @throws Error that names the line, if the file has another form than its head describes
 */
export function parseChangelog(markdown: string): Release[] {
  const releases: Release[] = [];
  let section: Entry['section'] | undefined;
  let entry: Entry | undefined;
  for (const [index, line] of markdown.split(/\r?\n/).entries()) {
    const fail = (reason: string): never => {
      throw new Error(`CHANGELOG.md, line ${index + 1}: ${reason}`);
    };
    const release = releases.at(-1);
    if (line.startsWith('## ')) {
      releases.push(toRelease(line, release, fail));
      section = entry = undefined;
    } else if (line.startsWith('### ')) {
      section = SECTIONS.find((name) => name === line.slice(4)) ?? fail('no section of this name');
      entry = undefined;
    } else if (/^[-*+] /.test(line)) {
      if (!release || !section) return fail('an entry outside of a version and its sections');
      entry = toEntry(section, line.slice(2), fail);
      release.entries.push(entry);
    } else if (entry && /^ +\S/.test(line)) {
      // A wrapped entry.
      entry.text += ` ${line.trim()}`;
    } else if (section && line.trim() !== '' && !line.startsWith('[')) {
      fail('neither an entry nor a heading');
    }
  }
  if (!releases.some(({ version }) => version !== UNRELEASED))
    throw new Error('CHANGELOG.md has no version');
  return releases;
}

function toRelease(
  line: string,
  newer: Release | undefined,
  fail: (reason: string) => never,
): Release {
  const [, unreleased, version = unreleased, date = ''] = RELEASE.exec(line) ?? [];
  if (version === undefined) return fail('expected "## [1.2.3] - 2026-01-31" or "## [Unreleased]"');
  if (version === UNRELEASED && newer) fail('Unreleased is not the first heading');
  if (newer && newer.version !== UNRELEASED && compareVersions(version, newer.version) >= 0)
    fail(`${version} is not older than ${newer.version}, above it`);
  return { version, date, entries: [] };
}

function toEntry(section: Entry['section'], line: string, fail: (reason: string) => never): Entry {
  const [, names = '', text = ''] = /^\*\*([^*]+)\*\*: (.*\S)/.exec(line) ?? [];
  if (text === '') fail('an entry begins with its folders, as in "**auth, store**: "');
  const all = names.split(', ');
  const known: readonly string[] = [...FOLDERS, ...ELSEWHERE];
  const unknown = all.find((name) => !known.includes(name));
  if (unknown !== undefined) fail(`"${unknown}" is none of ${known.join(', ')}`);
  return { section, folders: all.filter((name) => !ELSEWHERE.includes(name)), text };
}

/** The three numbers of `1.2.3` or `1.2.3+build`. @throws Error for anything else */
function numbersOf(version: string): number[] {
  const [, base] = /^(\d+\.\d+\.\d+)(?:\+.*)?$/.exec(version) ?? [];
  if (base === undefined) throw new Error(`"${version}" is no version such as 0.2.0`);
  return base.split('.').map(Number);
}

/**
 * Negative if `one` is older than `other`, 0 if both are the same; build metadata (`+…`) does not count
 * (Semantic Versioning 2.0.0, item 10). @throws Error if one of them is no version
 */
export function compareVersions(one: string, other: string): number {
  const theirs = numbersOf(other);
  const differences = numbersOf(one).map((number, index) => number - (theirs[index] ?? 0));
  return differences.find((difference) => difference !== 0) ?? 0;
}

/** The releases after `from`, up to and including `to`. @throws Error if one of them is no version */
export function releasesBetween(releases: Release[], from: string, to: string): Release[] {
  return releases.filter(
    ({ version }) =>
      version !== UNRELEASED &&
      compareVersions(version, from) > 0 &&
      compareVersions(version, to) <= 0,
  );
}

/** The folders that these releases changed, sorted. */
export function foldersToCopyAgain(releases: Release[]): string[] {
  const folders = releases.flatMap(({ entries }) => entries.flatMap((entry) => entry.folders));
  return [...new Set(folders)].toSorted();
}

/** The Security entries of these releases that concern one of these folders, in their order. */
export function securityFixes(releases: Release[], folders: readonly string[]): Entry[] {
  return releases
    .flatMap(({ entries }) => entries)
    .filter((entry) => entry.section === 'Security')
    .filter((entry) => entry.folders.some((folder) => folders.includes(folder)));
}

// What the change log says of the versions between a copy and this one.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  parseChangelog,
  releasesBetween,
  UNRELEASED,
  type Entry,
  type Release,
} from './changelog.ts';
import type { CopyRecord } from './record.ts';
import type { Shipped } from './shipped.ts';

/** The most urgent first. */
const ORDER: Entry['section'][] = [
  'Security',
  'Removed',
  'Changed',
  'Deprecated',
  'Fixed',
  'Added',
];

export interface Note {
  version: string;
  section: Entry['section'];
  folders: string[];
  text: string;
}

export async function readChangelog({ root }: Shipped): Promise<Release[]> {
  return parseChangelog(await readFile(join(root, 'CHANGELOG.md'), 'utf8'));
}

/** What changed in the copied folders after `record.version`, up to `version`. */
export function notesFor(
  releases: readonly Release[],
  record: CopyRecord,
  version: string,
): Note[] {
  const between = releasesBetween([...releases], record.version, version);
  const unreleased = releases.filter((one) => one.version === UNRELEASED && version.includes('+'));
  const copied: readonly string[] = record.folders;
  const notes = [...unreleased, ...between].flatMap((release) =>
    release.entries
      .map((entry) => ({
        version: release.version,
        ...entry,
        folders: entry.folders.filter((folder) => copied.includes(folder)),
      }))
      .filter(({ folders }) => folders.length > 0),
  );
  return notes.toSorted((one, other) => ORDER.indexOf(one.section) - ORDER.indexOf(other.section));
}

/** The notes as lines, by section. */
export function describeNotes(notes: readonly Note[]): string {
  const sections = ORDER.filter((section) => notes.some((note) => note.section === section));
  return sections
    .map((section) => {
      const entries = notes.filter((note) => note.section === section);
      const lines = entries.map(({ folders, text }) => `  - ${folders.join(', ')}: ${text}`);
      return [`${section}:`, ...lines].join('\n');
    })
    .join('\n');
}

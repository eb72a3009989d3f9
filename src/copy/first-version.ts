// A copy of version 0.1.0: it has no record, and the files of 0.2.0 have other names, so that no merge
// can update it. This says what it has of its own, what is wrong with it, and the way to 0.2.0.
import { releasesBetween, type Entry, type Release } from './changelog.ts';
import { contentOf, hashOf, type Archive } from './releases.ts';

/** The version that this is about, and the next. */
export const FIRST_VERSION = '0.1.0';
const NEXT_VERSION = '0.2.0';

export interface FirstVersionFile {
  /** As in the archive, such as `auth/index.ts`. */
  name: string;
  /** Whether it is as it was in 0.1.0. */
  isChanged: boolean;
  /** The files of 0.2.0 that have its code now; empty if none has. */
  now: string[];
}

export interface FirstVersionReport {
  files: FirstVersionFile[];
  /** Files in the copied folders that 0.1.0 does not have. */
  added: string[];
  /** The faults of 0.1.0 in the copied folders: entries of Security, then of Fixed. */
  faults: Entry[];
  /** What the app's own code has to follow: entries of Changed and Removed. */
  toFollow: Entry[];
}

/**
 * Compares a copy with 0.1.0. Takes the contents of the app's files by names such as `auth/index.ts`,
 * the archive of 0.1.0 and the releases of the changelog. Files in other folders do not count.
 */
export function examineFirstVersion(
  found: Readonly<Record<string, string>>,
  first: Archive,
  releases: readonly Release[],
): FirstVersionReport {
  const copied = new Set(Object.keys(first.files).map(folderOf));
  const names = Object.keys(found).filter((name) => copied.has(folderOf(name)));
  const files: FirstVersionFile[] = [];
  const added: string[] = [];
  for (const name of names.toSorted()) {
    const original = contentOf(first, name);
    if (original === undefined) {
      added.push(name);
      continue;
    }
    const isChanged = hashOf(found[name] ?? '') !== hashOf(original);
    files.push({ name, isChanged, now: first.moved?.[name] ?? [name] });
  }
  const folders = new Set(files.map(({ name }) => folderOf(name)));
  const entries = releasesBetween([...releases], FIRST_VERSION, NEXT_VERSION)
    .flatMap((release) => release.entries)
    .filter((entry) => entry.folders.some((folder) => folders.has(folder)));
  const of = (section: Entry['section']) => entries.filter((entry) => entry.section === section);
  return {
    files,
    added,
    faults: [...of('Security'), ...of('Fixed')],
    toFollow: [...of('Changed'), ...of('Removed')],
  };
}

const folderOf = (name: string) => name.slice(0, name.indexOf('/'));

/** The report as lines of plain text, without a line end after the last. */
export function describeFirstVersion(report: FirstVersionReport): string {
  const { files, added, faults, toFollow } = report;
  const changed = files.filter(({ isChanged }) => isChanged);
  const security = faults.filter(({ section }) => section === 'Security');
  const fixed = faults.filter(({ section }) => section === 'Fixed');
  return [
    `This is a copy of ${FIRST_VERSION}. In ${NEXT_VERSION} its files have other names, so update cannot merge it.`,
    ...paragraph(
      `${count(files.length - changed.length)} unchanged since ${FIRST_VERSION}.`,
      changed.length > 0 ? [] : ['Nothing of yours is in them.'],
    ),
    ...listed(`${count(changed.length)} changed by you:`, changed.map(describeChange)),
    ...listed(`${count(added.length)} added by you:`, added),
    ...listed(`Security faults of ${FIRST_VERSION} in this copy:`, security.map(describeEntry)),
    ...listed(`Other faults of ${FIRST_VERSION} in this copy:`, fixed.map(describeEntry)),
    ...listed('What your own code has to follow:', toFollow.map(describeEntry)),
    ...listed('What to do:', steps(report).map(numbered)),
  ].join('\n');
}

function steps({ files, added, toFollow }: FirstVersionReport): string[] {
  const folders = [...new Set(files.map(({ name }) => folderOf(name)))].join(', ');
  const hasChanges = files.some(({ isChanged }) => isChanged);
  return [
    'Commit your app, so that you can go back.',
    ...(added.length > 0 ? ['Move the files that you added out of the copied folders.'] : []),
    `Delete the copied folders (${folders}), and copy ${NEXT_VERSION} with init.`,
    ...(hasChanges ? ['Make your changes again, in the files named above.'] : []),
    ...(toFollow.length > 0 ? ['Let your own code follow, as listed above.'] : []),
    'Compile and test the app. Open sessions keep working.',
  ];
}

const count = (number: number) => (number === 1 ? '1 file' : `${number} files`);

function describeChange({ name, now }: FirstVersionFile): string {
  if (now.length === 0) return `${name}: ${NEXT_VERSION} has no such code`;
  return `${name}: its code is in ${now.join(', ')}`;
}

const describeEntry = ({ folders, text }: Entry) => `${folders.join(', ')}: ${text}`;
const numbered = (step: string, index: number) => `${index + 1}. ${step}`;

const paragraph = (title: string, lines: string[]) => ['', title, ...lines];

function listed(title: string, lines: string[]): string[] {
  if (lines.length === 0) return [];
  return paragraph(
    title,
    lines.map((line) => `  ${line}`),
  );
}

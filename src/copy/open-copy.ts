// What diff, update and doctor begin with: the copy in the app, compared with this version.
import { resolve } from 'node:path';
import { lookAt, type App } from './app.ts';
import { compareFiles, type Compared } from './compare.ts';
import { findCopy, type FirstCopy } from './copied.ts';
import { describeFirstVersion, examineFirstVersion, FIRST_VERSION } from './first-version.ts';
import { hasMarkers } from './merge.ts';
import { notesFor, readChangelog, type Note } from './notes.ts';
import { copiedFolders, type CopyRecord } from './record.ts';
import { readReleases, type Archive } from './releases.ts';
import type { Shipped } from './shipped.ts';
import type { Terminal } from './terminal.ts';

export interface OpenCopy {
  app: App;
  record: CopyRecord;
  /** The copy was made by hand, and the record was made up from its files. */
  isInferred: boolean;
  compared: Compared[];
  /** Files with conflicts of an earlier update, by their paths. */
  conflicts: string[];
  /** Of the change log, for the copied folders and the versions in between. */
  notes: Note[];
}

/**
 * Finds the copy in the app at `path`. A copy of 0.1.0 cannot be compared file by file: it gets a
 * report here, and the result is undefined.
 * @throws CopyError `not_copied`, `not_an_app`, `record_invalid`
 */
export async function openCopy(
  shipped: Shipped,
  version: string,
  path: string,
  terminal: Terminal,
): Promise<OpenCopy | undefined> {
  const archives = await readReleases(`${shipped.root}/releases`);
  const copy = await findCopy(resolve(path), archives);
  if (!('record' in copy)) {
    await reportFirstVersion(shipped, archives, copy, terminal);
    return undefined;
  }
  const { record, isInferred } = copy;
  const app = await lookAt(path, copiedFolders(record));
  const compared = await compareFiles(shipped, archives, app, record);
  const notes = notesFor(await readChangelog(shipped), record, version);
  const conflicts = compared.filter(({ yours }) => yours !== undefined && hasMarkers(yours));
  const paths = conflicts.map((file) => file.path);
  return { app, record, isInferred, compared, conflicts: paths, notes };
}

async function reportFirstVersion(
  shipped: Shipped,
  archives: readonly Archive[],
  { files }: FirstCopy,
  terminal: Terminal,
): Promise<void> {
  const first = archives.find(({ version }) => version === FIRST_VERSION);
  if (!first) throw new Error(`releases has no ${FIRST_VERSION}`);
  const report = examineFirstVersion(files, first, await readChangelog(shipped));
  terminal.say(describeFirstVersion(report));
  terminal.result({ version: FIRST_VERSION, ...report });
}

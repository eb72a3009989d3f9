// `update`: brings a copy to this version, and keeps what was changed there.
import type { App } from './app.ts';
import { type Change } from './changes.ts';
import { compareVersions } from './changelog.ts';
import type { Compared } from './compare.ts';
import { CopyError } from './errors.ts';
import { carryOut, type InitOptions } from './init.ts';
import { merge } from './merge.ts';
import { describeNotes } from './notes.ts';
import { hostEdits } from './host-edits.ts';
import type { CopyRecord } from './record.ts';
import { hashOf } from './releases.ts';
import { openCopy } from './open-copy.ts';
import { filesOf, type Shipped } from './shipped.ts';
import type { Terminal } from './terminal.ts';

export type UpdateOptions = Pick<InitOptions, 'dryRun' | 'yes' | 'install' | 'signal'>;

/** What becomes of one file. */
export interface Outcome {
  path: string;
  result:
    /** Changed here only: replaced, created or deleted. */
    | 'updated'
    | 'created'
    | 'deleted'
    /** Changed on both sides, in different lines. */
    | 'merged'
    /** Changed on both sides, in the same lines: both are in the file, between markers. */
    | 'conflict'
    /** Changed on both sides, and nobody knows from what: the new version is beside it. */
    | 'beside'
    /** Deleted here, but changed there: it stays. */
    | 'kept'
    /** Deleted there: it stays deleted. */
    | 'left_out';
  change: Change | undefined;
}

/**
 * Updates the copy in the app at `path`.
 * @returns whether something is left to do: conflicts, or a copy of 0.1.0
 * @throws CopyError; the app is then as it was before
 */
export async function update(
  shipped: Shipped,
  version: string,
  path: string,
  options: UpdateOptions,
  terminal: Terminal,
): Promise<boolean> {
  const copy = await openCopy(shipped, version, path, terminal);
  if (!copy) return true;
  const { app, record, compared, conflicts, notes } = copy;
  assertNotNewer(record, version);
  if (conflicts.length > 0)
    throw new CopyError('conflicts_unresolved', describeConflicts(conflicts));
  const outcomes = await Promise.all(
    compared.filter(isAffected).map((one) => decide(one, version)),
  );
  const { changes, needsInstall } = await changesFor(shipped, version, app, record, outcomes);
  const left = outcomes.filter(({ result }) => ['conflict', 'beside', 'kept'].includes(result));
  const summary = {
    app: app.root,
    from: record.version,
    to: version,
    files: outcomes.map(({ path: file, result }) => ({ path: file, result })),
    conflicts: left.map(({ path: file }) => file),
    notes,
  };
  if (changes.length === 0) {
    terminal.say(`The copy is of ${record.version}, and so is this: nothing to update.`);
    terminal.result({ ...summary, written: false });
    return false;
  }
  terminal.say(describeUpdate(record, version, outcomes));
  if (notes.length > 0) terminal.say(`${describeNotes(notes)}\n`);
  if (options.dryRun) {
    terminal.say('Nothing was changed (--dry-run).');
    terminal.result({ ...summary, written: false });
    return left.length > 0;
  }
  await terminal.agree('Update the copy?', options.yes);
  await carryOut({ app, changes, needsInstall }, options, terminal);
  terminal.say(describeLeft(left, version));
  terminal.result({ ...summary, written: true });
  return left.length > 0;
}

function assertNotNewer(record: CopyRecord, version: string): void {
  if (compareVersions(record.version, version) <= 0) return;
  throw new CopyError(
    'already_copied',
    `The copy is of ${record.version}, and this is ${version}. Run the newer version of this command.`,
  );
}

/** The sentence of every command that meets conflicts of an earlier update. */
export const describeConflicts = (paths: readonly string[]) =>
  `Resolve the conflicts of the last update first, in ${paths.join(', ')}.`;

const isAffected = ({ changedHere, yours, ours }: Compared) => changedHere && yours !== ours;

/** Decides what becomes of a file that is another one in this version. */
async function decide(file: Compared, version: string): Promise<Outcome> {
  const { path, base, yours, ours, wasCopied, changedThere } = file;
  const to = (result: Outcome['result'], after: string | undefined): Outcome => ({
    path,
    result,
    change: { path, before: yours, after },
  });
  const leave = (result: Outcome['result']): Outcome => ({ path, result, change: undefined });
  if (yours === undefined) return wasCopied ? leave('left_out') : to('created', ours);
  if (ours === undefined) return changedThere ? leave('kept') : to('deleted', undefined);
  if (wasCopied && !changedThere) return to('updated', withLineEndsOf(yours, ours));
  if (hashOf(yours) === hashOf(ours)) return leave('updated');
  if (base === undefined) {
    const beside = `${path}.new`;
    return { path, result: 'beside', change: { path: beside, before: undefined, after: ours } };
  }
  const labels = { yours: 'yours', ours: `version ${version}` };
  const merged = await merge({ base, yours, ours }, labels);
  return to(merged.hasConflicts ? 'conflict' : 'merged', merged.text);
}

const withLineEndsOf = (model: string, text: string) =>
  model.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;

async function changesFor(
  shipped: Shipped,
  version: string,
  app: App,
  record: CopyRecord,
  outcomes: readonly Outcome[],
): Promise<{ changes: Change[]; needsInstall: boolean }> {
  const files = await filesOf(shipped, record);
  if (app.existing.user) files.delete('auth/express-user.ts');
  const hashes = [...files].map(([name, text]) => [name, hashOf(text)] as const);
  const next = { ...record, version, files: Object.fromEntries(hashes) };
  const host = await hostEdits(shipped, app, next, files);
  const changes = [...outcomes.map(({ change }) => change), ...host.changes].filter(
    (change) => change !== undefined,
  );
  return { changes, needsInstall: host.needsInstall };
}

function describeUpdate(
  { version: from, folder }: CopyRecord,
  to: string,
  outcomes: readonly Outcome[],
): string {
  const list = (result: Outcome['result'], title: string) => {
    const files = outcomes.filter((one) => one.result === result).map(({ path }) => `    ${path}`);
    return files.length === 0 ? [] : [`  ${title}:`, ...files];
  };
  const same = outcomes.filter(({ result }) => result === 'updated').length;
  return [
    `From ${from} to ${to}, in ${folder || '.'}`,
    '',
    ...(same === 0
      ? []
      : [`  ${same} ${same === 1 ? 'file' : 'files'} without changes of yours: replaced`]),
    ...list('created', 'New'),
    ...list('deleted', 'No longer needed, deleted'),
    ...list('merged', 'Merged with your changes'),
    ...list('conflict', 'In conflict with your changes'),
    ...list('beside', 'Changed by you; the new version is written beside it, as .new'),
    ...list('kept', 'No longer needed, but changed by you, so it stays'),
    ...list('left_out', 'Deleted by you, so it stays away'),
    '',
  ].join('\n');
}

function describeLeft(left: readonly Outcome[], version: string): string {
  if (left.length === 0) return `Your copy is now version ${version}. Run your tests, then commit.`;
  return [
    `Your copy is now version ${version}. Resolve these, run your tests, then commit:`,
    ...left.map(
      ({ path, result }) =>
        `  ${path}${result === 'conflict' ? ' (between <<<<<<< and >>>>>>>)' : ''}`,
    ),
  ].join('\n');
}

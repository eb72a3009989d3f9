// `diff`: what was changed in the copy, and what changed here since it was made.
import { createTwoFilesPatch } from 'diff';
import type { Compared } from './compare.ts';
import { describeNotes } from './notes.ts';
import { openCopy } from './open-copy.ts';
import type { Shipped } from './shipped.ts';
import type { Terminal } from './terminal.ts';
import { describeConflicts } from './update.ts';

/**
 * Shows both kinds of changes; with `namesOnly`, no lines of them.
 * @returns whether there are any
 * @throws CopyError `not_copied`, `not_an_app`, `record_invalid`
 */
export async function diff(
  shipped: Shipped,
  version: string,
  path: string,
  namesOnly: boolean,
  terminal: Terminal,
): Promise<boolean> {
  const copy = await openCopy(shipped, version, path, terminal);
  if (!copy) return true;
  const { app, record, compared, conflicts, notes } = copy;
  const there = compared.filter(({ changedThere, wasCopied }) => changedThere && wasCopied);
  const here = compared.filter(({ changedHere }) => changedHere);
  terminal.say(
    [
      `Your copy is version ${record.version}; this is version ${version}.`,
      ...(conflicts.length > 0 ? [describeConflicts(conflicts)] : []),
      ...section('Changed by you', there, namesOnly, patchThere),
      ...section(`Changed in this version since ${record.version}`, here, namesOnly, patchHere),
      ...(notes.length > 0 ? ['', describeNotes(notes)] : []),
    ].join('\n'),
  );
  terminal.result({
    app: app.root,
    from: record.version,
    to: version,
    conflicts,
    changedThere: there.map((file) => ({ path: file.path, patch: patchThere(file) })),
    changedHere: here.map((file) => ({ path: file.path, patch: patchHere(file) })),
    notes,
  });
  return there.length + here.length > 0;
}

const patchThere = ({ path, base, yours }: Compared) => patch(path, base, yours);
const patchHere = ({ path, base, ours }: Compared) => patch(path, base, ours);

/** Without the first state there is nothing to compare with. */
function patch(path: string, from: string | undefined, to: string | undefined): string {
  const name = (text: string | undefined) => (text === undefined ? '/dev/null' : path);
  const [before, after] = [from, to].map((text = '') => text.replaceAll('\r\n', '\n'));
  return createTwoFilesPatch(name(from), name(to), before ?? '', after ?? '');
}

function section(
  title: string,
  files: readonly Compared[],
  namesOnly: boolean,
  patchOf: (file: Compared) => string,
): string[] {
  if (files.length === 0) return ['', `${title}: nothing.`];
  const names = files.map(({ path }) => `  ${path}`);
  return ['', `${title}:`, ...names, ...(namesOnly ? [] : ['', ...files.map(patchOf)])];
}

// `doctor --copy`: which version a copy is of, and whether it lacks a fix that matters for security.
import { compareVersions } from './changelog.ts';
import { openCopy } from './open-copy.ts';
import type { Shipped } from './shipped.ts';
import type { Terminal } from './terminal.ts';
import { describeConflicts } from './update.ts';

/**
 * Examines the copy in the app at `path` and changes nothing.
 * @returns whether it should be updated
 * @throws CopyError `not_copied`, `not_an_app`, `record_invalid`
 */
export async function examineCopy(
  shipped: Shipped,
  version: string,
  path: string,
  terminal: Terminal,
): Promise<boolean> {
  const copy = await openCopy(shipped, version, path, terminal);
  if (!copy) return true;
  const { app, record, isInferred, compared, conflicts, notes } = copy;
  const changed = compared.filter(({ changedThere, wasCopied }) => changedThere && wasCopied);
  const missing = changed.filter(({ yours }) => yours === undefined);
  const isNewer = compareVersions(record.version, version) > 0;
  const isBehind = !isNewer && compared.some(({ changedHere }) => changedHere);
  const security = notes.filter(({ section }) => section === 'Security');
  const where = record.folder || 'the app itself';
  terminal.say(
    [
      `${where} has a copy of version ${record.version} (${record.folders.join(', ')})${isInferred ? ', made by hand' : ''}.`,
      `Files that you changed: ${changed.length - missing.length}; deleted: ${missing.length}.`,
      ...(conflicts.length > 0 ? [describeConflicts(conflicts)] : []),
      isNewer
        ? `This is version ${version}, which is older: run the newer version of this command.`
        : isBehind
          ? `This is version ${version}: run update.`
          : 'It is up to date.',
      ...(security.length > 0
        ? [
            'It lacks these fixes that matter for security:',
            ...security.map(({ text }) => `  - ${text}`),
          ]
        : isNewer
          ? []
          : ['It has every security fix of this version.']),
    ].join('\n'),
  );
  terminal.result({
    app: app.root,
    version: record.version,
    newest: version,
    folder: record.folder,
    folders: record.folders,
    isRecorded: !isInferred,
    changed: changed.map((file) => file.path),
    conflicts,
    missing: missing.map((file) => file.path),
    isBehind,
    isNewer,
    missingSecurityFixes: security,
  });
  return isBehind || isNewer || conflicts.length > 0;
}

// Merges your changes of a file with ours: git's merge where there is git, a library's elsewhere.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { merge as mergeLines } from 'node-diff3';

export interface Versions {
  /** As it was copied. */
  base: string;
  /** As it is in the app. */
  yours: string;
  /** As it is in the new version. */
  ours: string;
}

export interface Labels {
  yours: string;
  ours: string;
}

export interface Merged {
  text: string;
  /** Whether some lines were changed on both sides: both are in the text, between markers. */
  hasConflicts: boolean;
}

/** Merges both sides. The line ends of the app's file are kept. */
export async function merge(versions: Versions, labels: Labels): Promise<Merged> {
  const isWindows = versions.yours.includes('\r\n');
  const unix = Object.fromEntries(
    Object.entries(versions).map(([name, text]) => [name, text.replaceAll('\r\n', '\n')]),
  ) as unknown as Versions;
  const merged = (await mergeByGit(unix, labels)) ?? mergeByLibrary(unix, labels);
  return isWindows ? { ...merged, text: merged.text.replaceAll('\n', '\r\n') } : merged;
}

/** Whether the text still has the markers of a conflict. */
export const hasMarkers = (text: string) => /^<{7} .*$[^]*^={7}$[^]*^>{7} /m.test(text);

/** Undefined without git. */
async function mergeByGit(
  { base, yours, ours }: Versions,
  labels: Labels,
): Promise<Merged | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'authkit-copy-'));
  try {
    const files = Object.entries({ yours, base, ours });
    await Promise.all(files.map(([name, text]) => writeFile(join(folder, name), text)));
    const named = ['-L', labels.yours, '-L', 'base', '-L', labels.ours];
    const git = spawn('git', ['merge-file', '-p', ...named, 'yours', 'base', 'ours'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [text, [code]] = await Promise.all([
      textOf(git.stdout),
      once(git, 'close') as Promise<[number]>,
    ]);
    // The number of conflicts, at most 127; above that, git failed.
    return code >= 0 && code <= 127 ? { text, hasConflicts: code > 0 } : undefined;
  } catch {
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function mergeByLibrary({ base, yours, ours }: Versions, labels: Labels): Merged {
  const merged = mergeLines(yours.split('\n'), base.split('\n'), ours.split('\n'), {
    excludeFalseConflicts: true,
    label: { a: labels.yours, b: labels.ours },
  });
  return { text: merged.result.join('\n'), hasConflicts: merged.conflict };
}

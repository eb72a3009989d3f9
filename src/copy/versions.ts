// Which version this is: a release or, in a checkout, the last one with later changes.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { contentOf, type Archive } from './releases.ts';
import { filesOf, FOLDERS, type Shipped } from './shipped.ts';

const run = promisify(execFile);

/** `0.2.0`, or `0.2.0+1a2b3c4` if the files to copy are not those of that release. */
export async function versionOf(shipped: Shipped, archives: readonly Archive[]): Promise<string> {
  const { root, version } = shipped;
  const archive = archives.find((one) => one.version === version);
  const everything = { folders: FOLDERS, engine: 'any' } as const;
  const files = await filesOf(shipped, { ...everything, format: 'ts' });
  const isRelease =
    archive !== undefined && [...files].every(([name, text]) => contentOf(archive, name) === text);
  if (isRelease) return version;
  const commit = await run('git', ['-C', root, 'rev-parse', '--short', 'HEAD']).catch(
    () => undefined,
  );
  return `${version}+${commit?.stdout.trim() ?? 'unreleased'}`;
}

// What a release consists of, and when there is none. scripts/release.ts writes it.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UNRELEASED, type Release } from '../src/copy/changelog.ts';
import { filesOf, FOLDERS, readShipped } from '../src/copy/shipped.ts';

const run = promisify(execFile);
const TSC = 'node_modules/typescript/bin/tsc';

/**
 * Builds the project into a temporary folder; returns the files that can be copied, by the names of the
 * copies: each folder as TypeScript and as JavaScript.
 */
export async function copiedFiles(): Promise<Record<string, string>> {
  const built = mkdtempSync(join(tmpdir(), 'authkit-release-'));
  try {
    // `npm run check` finds type errors.
    const options = ['--project', 'tsconfig.build.json', '--declaration', '--noCheck'];
    await run(process.execPath, [TSC, ...options, '--outDir', built]);
    const shipped = { ...(await readShipped('.')), built };
    const selection = { folders: FOLDERS, engine: 'any' as const };
    const typescript = await filesOf(shipped, { ...selection, format: 'ts' });
    const javascript = await filesOf(shipped, { ...selection, format: 'js' });
    return Object.fromEntries([...typescript, ...javascript]);
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

/** Why this version cannot be released, and what to do; undefined if it can. */
export function refusalOf(version: string, releases: readonly Release[]): string | undefined {
  if (!releases.some((release) => release.version === version))
    return `CHANGELOG.md has no version ${version}, which package.json has. Add "## [${version}] - <date>" below Unreleased.`;
  const unreleased = releases.find((release) => release.version === UNRELEASED);
  if (unreleased === undefined || unreleased.entries.length === 0) return undefined;
  return 'CHANGELOG.md has entries under Unreleased. Move them to a version, and set this version in package.json and package-lock.json (npm version --no-git-tag-version).';
}

/** Why this archive is not written over an `existing` one, and what to do; undefined if it is. */
export function refusalToReplace(
  version: string,
  existing: string | undefined,
  text: string,
  isForced: boolean,
): string | undefined {
  if (existing === undefined || existing === text || isForced) return undefined;
  return `releases/${version}.json has other content, and apps may have copies of it: release another version. Before ${version} is published: npm run release -- --force`;
}

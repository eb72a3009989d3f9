// What a release consists of, and when there is none. scripts/release.ts writes it.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UNRELEASED, type Release } from '../src/copy/changelog.ts';

const run = promisify(execFile);
const TSC = 'node_modules/typescript/bin/tsc';
const LOCAL_AUTHKIT = 'development/local-authkit';

/**
 * Builds the project into a temporary folder; returns the files that can be copied, by the names of the
 * copies: five folders as TypeScript and as JavaScript, and the local AuthKit as JavaScript with its
 * declarations and what its pages need.
 */
export async function copiedFiles(): Promise<Record<string, string>> {
  const built = mkdtempSync(join(tmpdir(), 'authkit-release-'));
  try {
    // `npm run check` finds type errors.
    const options = ['--project', 'tsconfig.build.json', '--noCheck', '--outDir', built];
    // A copy has no map of the sources, so it must not name one.
    const output = ['--declaration', '--sourceMap', 'false'];
    await run(process.execPath, [TSC, ...options, ...output]);
    const files = ['auth', 'bearer', 'events', 'live', 'store'].flatMap((folder) => [
      ...filesIn(join('src', folder), folder, /\.ts$/),
      ...filesIn(join(built, folder), folder, /\.js$/),
    ]);
    return Object.fromEntries([
      ...files,
      ...filesIn(join(built, LOCAL_AUTHKIT), 'local-authkit', /\.js$|\.d\.ts$/),
      ...filesIn(join('src', LOCAL_AUTHKIT), 'local-authkit', /\.(?:ejs|css|svg|d\.ts)$/),
      // Marks the folder as ES modules in an app of CommonJS too.
      ['local-authkit/package.json', '{ "type": "module", "private": true }\n'],
    ]);
  } finally {
    rmSync(built, { recursive: true, force: true });
  }
}

function filesIn(folder: string, as: string, wanted: RegExp): [string, string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => wanted.test(name))
    .map((name) => [
      `${as}/${name.replaceAll('\\', '/')}`,
      readFileSync(join(folder, name), 'utf8'),
    ]);
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

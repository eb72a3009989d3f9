// `npm run release`: writes releases/<version>.json, the archive of the version in package.json, from
// which later versions merge. An archive that is there stays as it is: apps have copies of it. Before
// the version is published, `npm run release -- --force` replaces it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseChangelog } from '../src/copy/changelog.ts';
import { formatArchive } from '../src/copy/releases.ts';
import { copiedFiles, refusalOf, refusalToReplace } from './release-files.ts';

function stopIf(refusal: string | undefined): void {
  if (refusal === undefined) return;
  process.stderr.write(`${refusal}\n`);
  process.exit(1);
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const releases = parseChangelog(readFileSync('CHANGELOG.md', 'utf8'));
stopIf(refusalOf(version, releases));

const { date = '' } = releases.find((release) => release.version === version) ?? {};
const file = `releases/${version}.json`;
const text = formatArchive({ version, date, files: await copiedFiles() });
const existing = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
const isForced = process.argv.includes('--force');
stopIf(refusalToReplace(version, existing, text, isForced));
writeFileSync(file, text);
process.stdout.write(`${file} has the files of ${version}.\n`);

// The report on a copy of 0.1.0, which no update can merge.
import type { FirstCopy } from './copied.ts';
import {
  describeFirstVersion,
  examineFirstVersion,
  FIRST_VERSION,
  type FirstVersionReport,
} from './first-version.ts';
import { readChangelog } from './notes.ts';
import type { Archive } from './releases.ts';
import type { Shipped } from './shipped.ts';

export async function describeFirstCopy(
  shipped: Shipped,
  archives: readonly Archive[],
  { files }: FirstCopy,
): Promise<{ report: FirstVersionReport & { version: string }; text: string }> {
  const first = archives.find(({ version }) => version === FIRST_VERSION);
  if (!first) throw new Error(`releases has no ${FIRST_VERSION}`);
  const report = examineFirstVersion(files, first, await readChangelog(shipped));
  return { report: { version: FIRST_VERSION, ...report }, text: describeFirstVersion(report) };
}

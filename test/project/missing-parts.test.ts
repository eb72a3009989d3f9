// `npm test` on a machine without Chromium, redis-server and Caddy: one line each says what to install,
// and what needs them is skipped. In CI the same machine fails the run.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withParts } from '../support/machine/with-parts.ts';

const run = promisify(execFile);
const { test: testWithChromium } = withParts('Chromium');
const THIS_FILE = 'test/project/missing-parts.test.ts';
/** Vitest, started a second time. */
const patient = { timeout: 300_000 };
const isInner = process.env['WITHOUT_PARTS'] !== undefined;

let bare: string;
beforeAll(async () => {
  bare = await mkdtemp(join(tmpdir(), 'bare-'));
  await symlink(process.execPath, join(bare, 'node'));
});
afterAll(() => rm(bare, { recursive: true }));

/** Runs this very file with Node and nothing else on the PATH. */
function runWithoutParts(env: NodeJS.ProcessEnv) {
  const machine = { PATH: bare, HOME: bare, PLAYWRIGHT_BROWSERS_PATH: bare, WITHOUT_PARTS: '1' };
  const args = ['node_modules/vitest/vitest.mjs', 'run', THIS_FILE, '--reporter=json'];
  return run(process.execPath, args, { env: { ...machine, ...env } });
}

testWithChromium('a test that needs Chromium runs where it is installed', () => {
  expect(isInner).toBe(false);
});

test.skipIf(isInner)(
  'npm test skips what needs a missing part, and says what to install',
  patient,
  async () => {
    const { stdout, stderr } = await runWithoutParts({});
    const lines = stderr.split('\n').filter((line) => line.startsWith('Skipping the tests'));
    // nginx is looked for in a folder of Debian's that is not on the PATH.
    expect(lines.filter((line) => !line.includes('nginx'))).toEqual([
      'Skipping the tests that need Chromium. Install it: npx playwright-core install chromium',
      'Skipping the tests that need redis-server. Install it: apt-get install redis-server, brew install redis',
      'Skipping the tests that need caddy. Install it: apt-get install caddy, brew install caddy',
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ success: true, numPassedTests: 0 });
  },
);

test.skipIf(isInner)('in CI a missing part fails the run', patient, async () => {
  const failure: unknown = await runWithoutParts({ CI: 'true' }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 1 });
  expect((failure as { stderr: string }).stderr).toContain(
    'CI runs every test, and has no Chromium, redis-server',
  );
});

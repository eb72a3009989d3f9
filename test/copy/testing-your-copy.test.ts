// docs/testing-your-copy.md, verbatim: the README's host app with its own tests, which sign in at a
// copy of the local AuthKit. They run in their own process, as the suite of that app would.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect } from 'vitest';
import { freePort } from '../support/app/app.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';
import { partPath } from '../support/machine/parts.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { test } = withParts('Chromium');

const run = promisify(execFile);
const readme = section(readText('README.md'), 'Copy this into your app');
const document = readText('docs/testing-your-copy.md');

let app: string;
beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'host-app-'));
  for (const text of [readme, document]) {
    await copyFolders(text, '.', app);
    await installPackages(text, app);
  }
  // A free port, and the Chromium of this machine.
  const tests = codeBlocks(document, 'ts')
    .join('\n')
    .replace("'3456'", `'${await freePort()}'`)
    .replace('launch()', `launch({ executablePath: '${partPath('Chromium')}' })`);
  await mkdir(join(app, 'test'));
  await writeFile(join(app, 'test/app.test.ts'), tests);
});
afterAll(() => rm(app, { recursive: true, force: true }));

/** The host app with the page that the document describes. */
function withOrganization(host: string): string {
  const page = `app.get('/organization', auth.requireLogin, auth.requireOrganization, (req, res) => {
  res.json(currentUser(req).orgId);
});\n`;
  return host.replace('app.use(showError)', `${page}app.use(showError)`);
}

test(
  'the host app and its tests compile with every strict flag',
  { timeout: 120_000 },
  async () => {
    const host = withOrganization(codeBlocks(readme, 'ts')[0] ?? '');
    expect(await compileHost(host, app, { rootDir: '.', noEmit: true })).toBe('');
  },
);

test(
  'the tests of the host app pass: organizations, expiry, revocation, a browser',
  { timeout: 120_000 },
  async () => {
    const [command = ''] = inlineCode(document).filter((code) => code.startsWith('node '));
    const { PATH = '', HOME = '' } = process.env;
    const args = ['--test-reporter=tap', ...command.split(' ').slice(1)];
    const options = { cwd: app, env: { PATH, HOME } };
    const { stdout } = await run(process.execPath, args, options).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toMatch(/^# pass 5\n# fail 0$/m);
  },
);

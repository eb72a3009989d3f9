// `npm run test:nodes`: runs the tests on each Node that the project supports, one after the other. What
// follows `--` goes to vitest: `npm run test:nodes -- test/auth`. npm has Node's binaries as packages.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';

const MAJORS = [20, 22, 24, 26];
const CACHE = 'node_modules/.cache/nodes';
const VITEST = 'node_modules/vitest/vitest.mjs';
const isWindows = process.platform === 'win32';

/** Installs the newest Node of this major version for this system; returns the path of its binary. */
function installNode(major: number): string {
  const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`;
  const folder = resolve(CACHE, String(major));
  mkdirSync(folder, { recursive: true });
  const quiet = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  const install = ['install', '--prefix', folder, '--ignore-scripts', ...quiet, `${name}@${major}`];
  execFileSync('npm', install, { stdio: 'inherit', shell: isWindows });
  return join(folder, 'node_modules', name, 'bin', isWindows ? 'node.exe' : 'node');
}

/** Returns one line about how the tests went; `node` and `npm` in them run on this Node too. */
function testOn(node: string): string {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
  process.stdout.write(`\nNode ${version}\n`);
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env['PATH']}` };
  const started = performance.now();
  const { status } = spawnSync(node, [VITEST, 'run', ...process.argv.slice(2)], {
    env,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
  const seconds = Math.round((performance.now() - started) / 1_000);
  return `Node ${version} ${status === 0 ? 'passed' : 'FAILED'} in ${seconds} s\n`;
}

const lines = MAJORS.map((major) => testOn(installNode(major)));
process.stdout.write(`\n${lines.join('')}`);

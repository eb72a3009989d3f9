// `npm run test:nodes`: runs the tests on each Node that the project supports, one after the other. What
// follows `--` goes to vitest: `npm run test:nodes -- test/auth`.
import { execFileSync, spawnSync } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { installNode } from './node-packages.ts';

const MAJORS = [20, 22, 24, 26];
const VITEST = 'node_modules/vitest/vitest.mjs';

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

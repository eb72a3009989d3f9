// Other versions of Node: npm has their binaries as packages.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const CACHE = 'node_modules/.cache/nodes';
const isWindows = process.platform === 'win32';

/** Installs the newest Node of this major version for this system; returns the path of its binary. */
export function installNode(major: number): string {
  const name = `node-${isWindows ? 'win' : process.platform}-${process.arch}`;
  const folder = resolve(CACHE, String(major));
  mkdirSync(folder, { recursive: true });
  const quiet = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  const install = ['install', '--prefix', folder, '--ignore-scripts', ...quiet, `${name}@${major}`];
  execFileSync('npm', install, { stdio: 'inherit', shell: isWindows });
  return join(folder, 'node_modules', name, 'bin', isWindows ? 'node.exe' : 'node');
}

// Runs once before all tests (globalSetup of vitest.config.ts). As root on Debian it installs the parts
// that are missing; elsewhere it says on one line each what is skipped. In CI a missing part fails the
// run: a defense whose test was skipped is not proven.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { findExecutable, isMissing, PARTS, testParts, type Part } from './parts.ts';

export const setup = () => provision(testParts);

export function provision(parts: Part[]): void {
  if (parts.some(isMissing) && canUseApt()) installWithApt(parts.filter(isMissing));
  const missing = parts.filter(isMissing);
  if (missing.length > 0 && process.env['CI']) {
    throw new Error(`CI runs every test, and has no ${missing.join(', ')}.`);
  }
  for (const part of missing) {
    process.stderr.write(
      `Skipping the tests that need ${part}. Install it: ${PARTS[part].install}\n`,
    );
  }
}

// Only on Debian: elsewhere the apt package named chromium is a stub for another packaging system.
function canUseApt(): boolean {
  return (
    process.getuid?.() === 0 &&
    findExecutable('apt-get') !== undefined &&
    /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'))
  );
}

function installWithApt(parts: Part[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  execFileSync('apt-get', [...wait, 'update'], { env, stdio: 'inherit' });
  const packages = parts.map((part) => PARTS[part].debian);
  const install = [...wait, 'install', '--yes', '--no-install-recommends', ...packages];
  execFileSync('apt-get', install, { env, stdio: 'inherit' });
}

// Runs once before all tests (globalSetup of vitest.config.ts): the browser, the Redis and the proxies
// the tests need are found on this machine or installed, so that no test is skipped for lack of one.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { chromium } from 'playwright-core';

const BROWSERS = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Programs that tests start, and the Debian packages that bring them. */
const PROGRAMS = { 'redis-server': 'redis-server', nginx: 'nginx-light', caddy: 'caddy' };

/** The Chromium that tests start: the system's, else the one Playwright installed. */
export function chromiumPath(): string {
  return found('Chromium', findChromium());
}

/** A program that tests start. */
export function programPath(name: keyof typeof PROGRAMS): string {
  return found(name, findExecutable(name));
}

export function setup(): void {
  const missing = [
    ...(findChromium() === undefined ? ['chromium'] : []),
    ...Object.entries(PROGRAMS).flatMap(([name, debian]) =>
      findExecutable(name) === undefined ? [debian] : [],
    ),
  ];
  if (missing.length > 0 && canUseApt()) installWithApt(missing);
  if (findChromium() === undefined) installWithPlaywright();
  chromiumPath();
  programPath('redis-server');
  programPath('nginx');
  programPath('caddy');
}

function findChromium(): string | undefined {
  const downloaded = chromium.executablePath();
  return (
    BROWSERS.map(findExecutable).find((path) => path !== undefined) ??
    (existsSync(downloaded) ? downloaded : undefined)
  );
}

function findExecutable(name: string): string | undefined {
  // Debian keeps nginx where the PATH of most users does not look.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  const candidates = name.startsWith('/') ? [name] : folders.map((folder) => join(folder, name));
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
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

function installWithApt(packages: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  execFileSync('apt-get', [...wait, 'update'], { env, stdio: 'inherit' });
  const install = [...wait, 'install', '--yes', '--no-install-recommends', ...packages];
  execFileSync('apt-get', install, { env, stdio: 'inherit' });
}

function installWithPlaywright(): void {
  const folder = dirname(createRequire(import.meta.url).resolve('playwright-core/package.json'));
  execFileSync(process.execPath, [join(folder, 'cli.js'), 'install', 'chromium'], {
    stdio: 'inherit',
  });
}

function found(name: string, path: string | undefined): string {
  if (path !== undefined) return path;
  throw new Error(`The tests need ${name}: install it so that it is on the PATH, then run again.`);
}

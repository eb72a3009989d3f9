// The programs that some tests start. A contributor may not have them all: what needs a missing one is
// skipped there, and provision.ts says once what to install.
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const HEADLESS_SHELL = 'chromium-headless-shell';
const MAC_CHROME = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Each part: the names it goes by, its Debian package, and how to install it elsewhere. */
export const PARTS = {
  Chromium: {
    // Chromium without its windows first: it takes half of the processor time.
    commands: [HEADLESS_SHELL, 'chromium', 'chromium-browser', 'google-chrome', MAC_CHROME],
    debian: HEADLESS_SHELL,
    install: 'npx playwright-core install chromium',
  },
  'redis-server': {
    commands: ['redis-server'],
    debian: 'redis-server',
    install: 'apt-get install redis-server, brew install redis',
  },
  nginx: {
    commands: ['nginx'],
    debian: 'nginx-light',
    install: 'apt-get install nginx-light, brew install nginx',
  },
  caddy: {
    commands: ['caddy'],
    debian: 'caddy',
    install: 'apt-get install caddy, brew install caddy',
  },
  Postgres: {
    // Debian keeps the server out of the PATH.
    commands: ['postgres', ...[18, 17, 16, 15].map((v) => `/usr/lib/postgresql/${v}/bin/postgres`)],
    debian: 'postgresql',
    install: 'apt-get install postgresql, brew install postgresql',
  },
  buildah: {
    commands: ['buildah'],
    debian: 'buildah',
    install: 'apt-get install buildah',
  },
  Firefox: {
    commands: ['firefox-esr', 'firefox'],
    debian: 'firefox-esr',
    install: 'apt-get install firefox-esr',
  },
  WebKit: {
    commands: ['WebKitWebDriver'],
    debian: 'webkit2gtk-driver',
    install: 'apt-get install webkit2gtk-driver',
  },
  // The screen of WebKit's browser, which has no headless mode.
  Xvfb: {
    commands: ['Xvfb'],
    debian: 'xvfb',
    install: 'apt-get install xvfb',
  },
};
export type Part = keyof typeof PARTS;

/** What only `npm run test:operations` needs. */
const ONLY_OPERATIONS: Part[] = ['Postgres', 'buildah', 'Firefox', 'WebKit', 'Xvfb'];
export const operationsParts = Object.keys(PARTS) as Part[];
export const testParts = operationsParts.filter((part) => !ONLY_OPERATIONS.includes(part));

/** The path of a part's program; throws where `isMissing`. */
export function partPath(part: Part): string {
  const path = findPart(part);
  if (path === undefined) throw new Error(`${part} is not installed: ${PARTS[part].install}`);
  return path;
}

export const isMissing = (part: Part) => findPart(part) === undefined;

function findPart(part: Part): string | undefined {
  const installed = PARTS[part].commands.map(findExecutable).find((path) => path !== undefined);
  if (installed !== undefined || part !== 'Chromium') return installed;
  const downloaded = chromium.executablePath();
  return existsSync(downloaded) ? downloaded : undefined;
}

/** Debian keeps nginx where the PATH of most users does not look. */
export function findExecutable(name: string): string | undefined {
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

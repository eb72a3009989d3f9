// The peers to compare with, and how each is started and signed in to. Their code in peers/ follows
// their own documentation; their newest versions are installed into a temporary folder.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from '../test/support/browser/browser.ts';

export interface Peer {
  name: string;
  file: string;
  redis?: boolean;
  callback: string;
  /** Starts a sign-in; default: opens /login. */
  start?: (browser: Browser, url: string) => Promise<Page>;
}

const atLogin = { callback: '/callback' };

export const PEERS: Peer[] = [
  { name: 'documented set-up (MemoryStore)', file: 'documented.mjs', ...atLogin },
  { name: 'documented set-up on Redis', file: 'documented.mjs', redis: true, ...atLogin },
  { name: 'express-openid-connect', file: 'express-openid-connect.mjs', ...atLogin },
  { name: 'iron-session', file: 'iron-session.mjs', ...atLogin },
  {
    name: 'better-auth',
    file: 'better-auth.mjs',
    callback: '/api/auth/callback/authkit',
    async start(browser, url) {
      const { body } = await browser.fetch(`${url}/api/auth/sign-in/social`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: url },
        body: JSON.stringify({ provider: 'authkit', callbackURL: '/profile' }),
      });
      return browser.open((JSON.parse(body) as { url: string }).url);
    },
  },
  {
    name: '@auth/express',
    file: 'auth-express.mjs',
    callback: '/auth/callback/authkit',
    async start(browser, url) {
      const { body } = await browser.get(`${url}/auth/csrf`);
      const { csrfToken } = JSON.parse(body) as { csrfToken: string };
      const fields = { csrfToken, callbackUrl: `${url}/profile` };
      return browser.follow(await browser.post(`${url}/auth/signin/authkit`, fields));
    },
  },
];

const PACKAGES = [
  'express',
  'express-session',
  'passport',
  'openid-client',
  'redis',
  // The last major version that supports Node 20.
  'connect-redis@9',
  'express-openid-connect',
  'iron-session',
  'better-auth',
  '@auth/express',
  'express-oauth2-jwt-bearer',
  'jose',
];
const DAY_MS = 86_400_000;

/** Installs the peers unless that was done in the last 24 hours; returns the folder. */
export function installPeers(): string {
  const folder = join(tmpdir(), 'authkit-express-bench');
  const done = join(folder, 'node_modules', '.package-lock.json');
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (!existsSync(done) || Date.now() - statSync(done).mtimeMs > DAY_MS) {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
    const newest = PACKAGES.map((name) => (/.@/.test(name) ? name : `${name}@latest`));
    const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    execFileSync('npm', ['install', ...quiet, ...newest], { cwd: folder, stdio: 'inherit' });
  }
  cpSync(fileURLToPath(new URL('peers', import.meta.url)), folder, { recursive: true });
  return folder;
}

/** The installed version of each package. */
export function peerVersions(folder: string): Record<string, string> {
  const names = PACKAGES.map((name) => name.replace(/(.)@.*/, '$1'));
  return Object.fromEntries(
    names.map((name) => {
      const file = join(folder, 'node_modules', name, 'package.json');
      return [name, (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version];
    }),
  );
}

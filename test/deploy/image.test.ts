// The steps of deploy/Dockerfile, carried out without a Docker engine: what the image holds, which
// user it runs as, and a sign-in inside it.
import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startLocalAuthKit } from '../../src/development/local-authkit/start.ts';
import { freePort, settingsFor } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { buildImage, type Image } from '../support/deploy/image.ts';

let image: Image;
beforeAll(async () => {
  image = await buildImage('deploy/Dockerfile');
}, 240_000);
afterAll(() => image.remove());

const isInside = (path: string) => existsSync(join(image.app, path));
const SESSION_SECRET = 'a-secret-of-the-tests-0123456789-abcdef';

async function ended(child: ChildProcess) {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const [code] = await once(child, 'close');
  return { code, output };
}

describe('the image', () => {
  it('is based on one supported Node, pinned to its major version', () => {
    expect(new Set(image.bases)).toEqual(new Set(['node:24-slim']));
  });

  it('holds what production needs, without tools, sources or the local AuthKit', () => {
    expect(
      ['dist/server.js', 'node_modules/express', 'views', 'public'].filter(isInside),
    ).toHaveLength(4);
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const tools = Object.keys(devDependencies).map((name) => `node_modules/${name}`);
    expect(tools).toContain('node_modules/oidc-provider');
    const others = ['src', 'test', '.env', 'dist/development/local-authkit', 'node_modules/koa'];
    expect([...tools, ...others].filter(isInside)).toEqual([]);
  });

  it('runs as a user other than root, who can write to the session folder only', async () => {
    expect(image.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const paths = ['.', 'dist', 'dist/server.js', 'node_modules', 'views', 'package.json', '.data'];
    const probe = `for (const path of ${JSON.stringify(paths)})
      try { fs.accessSync(path, fs.constants.W_OK); console.log(path) } catch {}`;
    expect(await ended(image.start({}, ['node', '-e', probe]))).toEqual({
      code: 0,
      output: '.data\n',
    });
  });
});

describe('a container', { timeout: 120_000 }, () => {
  it('signs users in, passes its health check, and ends on SIGTERM', async () => {
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const authKit = await startLocalAuthKit({ port: 0, redirectUris: [`${url}/callback`] });
    const env = {
      ...settingsFor(authKit, 'firstParty'),
      BASE_URL: url,
      PORT: `${port}`,
      SESSION_SECRET,
    };
    const isHealthy = async () => (await ended(image.start(env, image.healthCheck))).code === 0;
    expect(await isHealthy()).toBe(false);

    const container = image.start(env);
    const end = ended(container);
    const browser = new Browser();
    const readiness = () => browser.fetch(`${url}/readyz`).catch(() => undefined);
    await vi.waitUntil(async () => (await readiness())?.status === 200, { timeout: 20_000 });
    expect(await isHealthy()).toBe(true);
    await browser.open(`${url}/profile`);
    const profile = await browser.follow(await browser.press('Bruno'));
    expect(profile.body).toContain('bruno.okafor@example.com');
    expect(isInside('.data/sessions.db')).toBe(true);

    container.kill('SIGTERM');
    const { code, output } = await end;
    expect([code, output]).toEqual([0, expect.stringContaining(`Open ${url}`)]);
    await authKit.close();
  });

  it('cannot start a local AuthKit even with its files, since their packages are missing', async () => {
    const base = { SESSION_SECRET, BASE_URL: 'http://localhost:3000', PORT: '0' };
    const start = async (NODE_ENV: string) => ended(image.start({ ...base, NODE_ENV }));
    const runs = [await start('production'), await start('development')];
    execFileSync('chmod', ['-R', 'u+w', join(image.app, 'dist')]);
    const build = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir'];
    execFileSync(process.execPath, [...build, join(image.app, 'dist')]);
    expect(isInside('dist/development/local-authkit/start.js')).toBe(true);
    runs.push(await start('production'), await start('development'));
    const refused = /^The app cannot start:\n {2}AUTHKIT_ISSUER: is not set/;
    for (const { code, output } of runs) {
      expect([code, output]).toEqual([1, expect.stringMatching(refused)]);
    }
  });
});

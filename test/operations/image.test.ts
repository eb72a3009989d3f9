// The image of deploy/Dockerfile: what it holds, which user it runs as, and a sign-in inside it, with
// the same limits as in deploy/compose.yaml.
import { execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startTestAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort, settingsFor } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { buildImage, type Image } from '../support/deploy/image.ts';
import { withParts } from '../support/machine/with-parts.ts';
import { startRedis } from '../support/store/redis.ts';

const { describe } = withParts('buildah', 'redis-server');
// Only root can become the user of the image.
const suite = process.getuid?.() === 0 ? describe : describe.skip;

const SESSION_SECRET = 'a-secret-of-the-tests-0123456789-abcdef';

async function ended(child: ChildProcess) {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const [code] = await once(child, 'close');
  return { code, output };
}

suite('the image', () => {
  let image: Image;
  beforeAll(async () => {
    image = await buildImage();
  }, 900_000);
  afterAll(() => image.remove());

  const isInside = (path: string) => existsSync(join(image.root, 'app', path));

  it('is based on one supported Node, pinned to its major version', () => {
    expect(new Set(image.bases)).toEqual(new Set(['node:24-slim']));
  });

  it('is built from the files that the ignore file lists, and no others', () => {
    const lines = readFileSync('deploy/Dockerfile.dockerignore', 'utf8').split('\n');
    const listed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(image.context).toEqual(listed.toSorted());
    expect(image.context).toContain('src');
  });

  it('holds what production needs, without tools, sources, settings or the local AuthKit', () => {
    const needed = ['dist/server.js', 'node_modules/express', 'views', 'public', 'package.json'];
    expect(needed.filter((path) => !isInside(path))).toEqual([]);
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const tools = Object.keys(devDependencies).map((name) => `node_modules/${name}`);
    expect(tools).toContain('node_modules/oidc-provider');
    const others = ['src', 'test', '.env', '.git', 'dist/development/local-authkit'];
    expect([...tools, ...others, 'node_modules/koa'].filter(isInside)).toEqual([]);
    expect(image.megabytes).toBeLessThan(80);
  });

  it('holds nothing of the npm that built it', () => {
    const left = ['root/.npmrc', 'root/.npm', 'run/certificates.pem'];
    expect(left.filter((path) => existsSync(join(image.root, path)))).toEqual([]);
  });

  it('runs as a user other than root, who can write to the session folder only', async () => {
    expect(image.config.User).toBe('1000:1000');
    const paths = ['.', 'dist', 'dist/server.js', 'node_modules', 'views', 'package.json', '.data'];
    const probe = `for (const path of ${JSON.stringify(paths)})
      try { fs.accessSync(path, fs.constants.W_OK); console.log(path) } catch {}
      console.log(process.getuid(), process.getgid(), process.getgroups().join())`;
    const command = ['node', '-e', probe];
    const user = '1000 1000 1000\n';
    expect(await ended(image.start({}, { command }))).toEqual({
      code: 0,
      output: `.data\n${user}`,
    });
    const readOnly = await ended(image.start({}, { command, isReadOnly: true }));
    expect(readOnly).toEqual({ code: 0, output: user });
  });

  it.each(['Redis and a read-only root', 'the embedded store'])(
    'signs users in, passes its health check, and ends with 0 on SIGTERM, with %s',
    async (how) => {
      const isReadOnly = how.startsWith('Redis');
      const redis = isReadOnly ? await startRedis() : undefined;
      const port = await freePort();
      const url = `http://localhost:${port}`;
      const authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
      const env = {
        ...settingsFor(authKit, 'firstParty'),
        BASE_URL: url,
        PORT: `${port}`,
        SESSION_SECRET,
        SHUTDOWN_GRACE_SECONDS: '0',
        ...(redis && { REDIS_URL: redis.url }),
      };
      const isHealthy = async () =>
        (await ended(image.start(env, { command: image.healthCheck }))).code === 0;
      expect(await isHealthy()).toBe(false);

      const container = image.start(env, { isReadOnly });
      const end = ended(container);
      const browser = new Browser();
      const readiness = () => browser.fetch(`${url}/readyz`).catch(() => undefined);
      await vi.waitUntil(async () => (await readiness())?.status === 200, { timeout: 60_000 });
      expect(await isHealthy()).toBe(true);
      await browser.open(`${url}/profile`);
      const profile = await browser.follow(await browser.press('Bruno'));
      expect(profile.body).toContain('bruno.okafor@example.com');
      expect(isInside('.data/sessions.db')).toBe(!isReadOnly);

      container.kill('SIGTERM');
      const { code, output } = await end;
      expect([code, output]).toEqual([0, expect.stringContaining(`Open ${url}`)]);
      await authKit.close();
      await redis?.close();
    },
  );

  it('cannot start a local AuthKit even with its files, since their packages are missing', async () => {
    const base = { SESSION_SECRET, BASE_URL: 'http://localhost:3000', PORT: '0' };
    const start = (NODE_ENV: string) => ended(image.start({ ...base, NODE_ENV }));
    const runs = [await start('production'), await start('development')];
    const build = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir'];
    execFileSync(process.execPath, [...build, join(image.root, 'app/dist')]);
    expect(isInside('dist/development/local-authkit/start.js')).toBe(true);
    runs.push(await start('production'), await start('development'));
    const refused = /^The app cannot start:\n {2}AUTHKIT_ISSUER: is not set/;
    for (const { code, output } of runs) {
      expect([code, output]).toEqual([1, expect.stringMatching(refused)]);
    }
  });
});

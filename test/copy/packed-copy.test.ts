// The program of the packed file makes a new app, and leaves an app as it was if npm fails. npm is real;
// its registry is on this machine.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newVisitor, untilReady } from '../../src/development/local-authkit/test-visitor.ts';
import {
  npmEnvironment,
  openPackedWorld,
  shell,
  type Ended,
  type PackedWorld,
} from '../support/app/packed-package.ts';
import { freePort } from '../support/machine/free-port.ts';

const COPY = 'npx --no-install authkit-copy';
let world: PackedWorld;
beforeAll(async () => {
  world = await openPackedWorld();
});
afterAll(() => world.close());

const expectSuccess = ({ code, stdout, stderr }: Ended) => expect(code, stdout + stderr).toBe(0);

test('makes a new app that passes its own test, starts and signs in', async () => {
  const made = await shell(`${COPY} init ../new-app --yes`, world.app, world.env);
  expectSuccess(made);
  const newApp = join(world.root, 'new-app');
  const testFile = join(newApp, 'test/sign-in.test.ts');
  const own = await readFile(testFile, 'utf8');
  await writeFile(testFile, own.replace('3456', String(await freePort())));
  const tested = await shell('npm test', newApp, world.env);
  expectSuccess(tested);

  const url = `http://localhost:${await freePort()}`;
  const dev = spawn('npm', ['run', 'dev'], {
    cwd: newApp,
    env: { ...world.env, BASE_URL: url },
    stdio: 'ignore',
    detached: true,
  });
  const exited = once(dev, 'exit');
  try {
    await vi.waitFor(() => untilReady(url));
    const bruno = newVisitor(url);
    await bruno.signIn({ person: 'Bruno Okafor' });
    expect(await (await bruno.fetch('/profile')).text()).toContain('Bruno Okafor');
  } finally {
    if (dev.pid !== undefined) process.kill(-dev.pid, 'SIGTERM');
    await exited;
  }
});

let caches = 0;
/** npm without what it downloaded before. */
const withEmptyCache = (url: string) =>
  npmEnvironment(url, join(world.root, `npm-${(caches += 1)}`));

describe('a failed npm install', () => {
  let existing: string;
  beforeAll(async () => {
    existing = join(world.root, 'existing');
    await mkdir(existing);
    const own = { dependencies: { express: '^5.0.0' } };
    await writeFile(join(existing, 'package.json'), JSON.stringify(own));
    await writeFile(join(existing, 'server.js'), "require('express')().listen(0);\n");
    expectSuccess(await shell('npm install', existing, world.env));
  });

  test.each([
    ['nothing is reachable', 'http://127.0.0.1:9', 'send'],
    ['no package can be downloaded', undefined, 'refuse'],
  ] as const)('leaves both kinds of apps as they were: %s', async (_, url, tarballs) => {
    world.registry.tarballs = tarballs;
    const before = await contentOf(existing);
    for (const path of ['../existing', '../missing/app']) {
      const ended = await shell(
        `${COPY} init ${path} --yes`,
        world.app,
        withEmptyCache(url ?? world.registry.url),
      );
      expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('as it was before') });
    }
    expect(await contentOf(existing)).toEqual(before);
    expect(existsSync(join(world.root, 'missing'))).toBe(false);
  });

  test.each(['existing', 'missing'])('is undone when interrupted twice (%s)', async (name) => {
    world.registry.tarballs = 'hold';
    const before = name === 'existing' ? await contentOf(existing) : undefined;
    const { requested } = world.registry;
    const program = join(world.app, 'node_modules/authkit/dist/copy/main.js');
    const child = spawn(process.execPath, [program, 'init', join(world.root, name), '--yes'], {
      env: withEmptyCache(world.registry.url),
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    await vi.waitUntil(() => world.registry.requested > requested);
    // npm passes Ctrl-C on to what it runs, which the terminal has told already.
    child.kill('SIGINT');
    child.kill('SIGINT');
    world.registry.release();
    expect(await exited).toEqual([2, null]);
    if (before) expect(await contentOf(existing)).toEqual(before);
    else expect(existsSync(join(world.root, name))).toBe(false);
  });
});

/** What is in a folder: each path, with a hash of the file or the target of the link. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = entries.map((entry): [string, string] => {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) return [path, readlinkSync(path)];
    if (entry.isDirectory()) return [path, ''];
    return [path, createHash('sha256').update(readFileSync(path)).digest('hex')];
  });
  return Object.fromEntries(found);
}

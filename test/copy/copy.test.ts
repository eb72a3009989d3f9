// The README's copy instructions work: its commands and host app are taken verbatim into an empty
// folder, type-checked, started and used.
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import {
  compile,
  compileHost,
  copyFolders,
  copyForCommonJs,
  installPackages,
} from '../support/app/copied-app.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';
import { START, startCopy } from '../support/app/running-copy.ts';
import { HOSTILE } from '../support/reading/view-fixtures.ts';

const typescript = section(readText('README.md'), 'Copy this into your app');
const commonjs = section(readText('docs/copying.md'), 'CommonJS');
let folder: string;
let authKit: LocalAuthKit;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'copy-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
  const ada = authKit.people.find(({ name }) => name.startsWith('Ada'));
  authKit.control.renamePerson({ sub: ada?.sub ?? '', givenName: `Ada &lt;${HOSTILE}` });
});

afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

/** Signs Bruno in to the app that `file` starts, and out again; returns the pages. */
async function useApp(app: string, file: string) {
  const copy = await startCopy(app, file, url, authKit);
  try {
    const browser = new Browser();
    const stranger = await browser.fetch(`${url}/profile`);
    await browser.open(`${url}/profile`);
    const profile = await browser.follow(await browser.press('Bruno'));
    const signedOut = await browser.follow(await browser.press('Sign out'));
    const afterwards = await browser.fetch(`${url}/profile`);
    const failure = await browser.open(`${url}/callback?code=x&state=y`);
    const other = new Browser();
    await other.open(`${url}/profile`);
    const hostile = await other.follow(await other.press('Ada'));
    return { stranger, profile, signedOut, afterwards, failure, hostile, stderr: copy.stderr() };
  } finally {
    await copy.stop();
  }
}

function expectSignedIn(used: Used): void {
  const { stranger, profile, signedOut, afterwards, failure, hostile, stderr } = used;
  const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
  expect(stranger.status, stderr).toBe(401);
  expect(profile.url.href).toBe(`${url}/profile`);
  expect(profile.body).toContain(bruno?.sub);
  expect(signedOut.url.pathname).toBe('/signed-out');
  expect(afterwards.status).toBe(401);
  expect(failure.status).toBe(400);
  expect(failure.body).toContain('Sign in again');
  // The markup has one form; the hostile name is text, unchanged.
  expect(hostile.body.match(/<\w+/g)).toEqual(['<form', '<button']);
  expect(unescaped(hostile.body)).toContain(JSON.stringify(`Ada &lt;${HOSTILE} Lindqvist`));
  for (const page of [stranger, profile, signedOut, afterwards, failure, hostile]) {
    expect([page.url.pathname, page.headers['cache-control']]).toEqual([
      page.url.pathname,
      'no-store',
    ]);
  }
}

const unescaped = (html: string) =>
  html.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));

type Used = Awaited<ReturnType<typeof useApp>>;

describe('a strict TypeScript app', () => {
  const [block = ''] = codeBlocks(typescript, 'ts');

  test('needs at most 25 lines', () => {
    expect(block.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
  });

  test('compiles with every strict flag and signs in', { timeout: 240_000 }, async () => {
    const app = join(folder, 'strict');
    await copyFolders(typescript, '.', app);
    await installPackages(typescript, app);
    // An app without `lib` has the DOM types too, and some have the same names as ours.
    expect(await compileHost(block, app, { lib: ['es2023', 'dom'], noEmit: true })).toBe('');
    expect(await compileHost(block, app)).toBe('');
    expect(inlineCode(typescript)).toContain(`${START} dist/server.js`);
    expectSignedIn(await useApp(app, 'dist/server.js'));
  });

  test(
    'compiles with only the compiler options that the README names',
    { timeout: 240_000 },
    async () => {
      const named = inlineCode(typescript).filter((code) => /^"\w+": /.test(code));
      const { type, ...compilerOptions } = JSON.parse(`{ ${named.join(', ')} }`);
      expect(Object.keys(compilerOptions)).toHaveLength(4);
      const app = join(folder, 'plain');
      await copyFolders(typescript, '.', app);
      await installPackages(typescript, app);
      await writeFile(join(app, 'src/server.ts'), block);
      await writeFile(join(app, 'package.json'), JSON.stringify({ type }));
      await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
      expect(await compile(app)).toBe('');
      await access(join(app, 'dist/server.js'));
    },
  );

  test('reads the settings that the README lists', () => {
    const read = new Set([...block.matchAll(/env\('(\w+)'\)/g)].map(([, name]) => name ?? ''));
    const line = typescript.split('\n').find((text) => text.includes('into `.env`')) ?? '';
    const listed = inlineCode(line).filter((code) => /^[A-Z_]+$/.test(code));
    expect(listed.toSorted()).toEqual([...read].toSorted());
  });
});

test('a CommonJS app requires the built copy and signs in', { timeout: 240_000 }, async () => {
  const app = await copyForCommonJs(commonjs, folder);
  await writeFile(join(app, 'server.js'), codeBlocks(commonjs, 'js')[0] ?? '');
  expectSignedIn(await useApp(app, 'server.js'));
});

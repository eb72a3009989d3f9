// docs/moving-over.md: the code under "After" runs beside a copy of src/auth and signs in at the
// local AuthKit, each right-hand cell compiles, and the code under "Before" parses as JavaScript.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import {
  codeBlocks,
  inlineCode,
  readText,
  section,
  tableRows,
} from '../support/reading/markdown.ts';
import { startCopy } from '../support/app/running-copy.ts';

const copying = section(readText('README.md'), 'Copy this into your app');
const page = readText('docs/moving-over.md');
const fromPeer = section(page, 'From express-openid-connect');
const [before = '', after = ''] = codeBlocks(page, 'js');
const [host = ''] = codeBlocks(copying, 'ts');
const imports = (host.match(/^import .*(?<!assert');$/gm) ?? []).join('\n');
const [showError = ''] = /^const showError[^]*?^};$/m.exec(host) ?? [];

let folder: string;
let authKit: LocalAuthKit;
let url: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moving-over-'));
  url = `http://localhost:${await freePort()}`;
  authKit = await startTestAuthKit({ redirectUris: [`${url}/callback`] });
  await copyFolders(copying, '.', folder);
  await installPackages(copying, folder);
});
afterAll(async () => {
  await authKit.close();
  await rm(folder, { recursive: true, force: true });
});

describe.each(['From express-openid-connect', 'From the passport strategy of openid-client 5'])(
  '%s',
  (title) => {
    test('the code to replace parses as JavaScript', () => {
      const [code = ''] = codeBlocks(section(page, title), 'js');
      expect(code).not.toBe('');
      // Only parsed: the libraries to replace are not installed here.
      expect(() => Reflect.construct(async function () {}.constructor, [code])).not.toThrow();
    });
  },
);

test('the new code signs in, with settings named as before', { timeout: 120_000 }, async () => {
  const settings = ['issuerBaseURL', 'baseURL', 'clientID', 'clientSecret', 'secret'];
  for (const name of settings) expect(before).toMatch(new RegExp(`\\b${name}\\b`));
  const source = [
    imports,
    `const { AUTHKIT_ISSUER: issuerBaseURL, BASE_URL: baseURL, OAUTH_APP_CLIENT_ID: clientID,
       OAUTH_APP_CLIENT_SECRET: clientSecret, SESSION_SECRET: secret, PORT } = process.env;
     const app = express();`,
    showError,
    after,
    'app.listen(PORT);',
  ].join('\n');
  // The snippet is JavaScript without types: only its behavior is tested.
  expect(await compileHost(source, folder, { noCheck: true })).toBe('');
  const copy = await startCopy(folder, 'dist/server.js', url, authKit);
  try {
    const browser = new Browser();
    expect((await browser.fetch(`${url}/profile`)).status).toBe(401);
    await browser.open(`${url}/profile`);
    const profile = await browser.follow(await browser.press('Bruno'));
    const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
    expect(JSON.parse(profile.body)).toMatchObject({ sub: bruno?.sub, email: bruno?.email });
    expect(profile.headers['cache-control']).toBe('no-store');
    expect((await new Browser().open(`${url}/callback?code=x&state=y`)).status).toBe(400);
  } finally {
    await copy.stop();
  }
});

test(
  'the replacement of isAuthenticated() notices that AuthKit has ended a grant',
  { timeout: 120_000 },
  async () => {
    const row = tableRows(fromPeer).find(([cell]) => cell?.includes('isAuthenticated()'));
    const [guard = ''] = inlineCode(row?.[1] ?? '');
    // One route behind the guard, and one that trusts `current` alone.
    const routes = `app.get('/guarded', ${guard}, (req, res) => res.send('signed in'));
      app.get('/current', (req, res) => res.send(String(req.authSession?.current !== undefined)));`;
    const source = host.replace(/^app\.use\(showError\)/m, `${routes}\n$&`);
    expect(await compileHost(source, folder, { noCheck: true })).toBe('');
    const copy = await startCopy(folder, 'dist/server.js', url, authKit);
    try {
      const browser = new Browser();
      authKit.control.setAccessTokenSeconds({ seconds: 1 });
      await browser.open(`${url}/profile`);
      await browser.follow(await browser.press('Bruno'));
      authKit.control.reset();
      const bruno = authKit.people.find(({ name }) => name.startsWith('Bruno'));
      authKit.control.endGrant({ sub: bruno?.sub ?? '' });
      await delay(5_100); // the app treats a shorter lifetime as five seconds
      const isCurrent = async () => (await browser.get(`${url}/current`)).body;
      expect(await isCurrent()).toBe('true');
      expect((await browser.get(`${url}/guarded`)).status).toBe(302);
      expect(await isCurrent()).toBe('false');
    } finally {
      await copy.stop();
    }
  },
);

const isRoute = (code: string) => code.startsWith('/');

describe('the cells of the table', () => {
  const codes = tableRows(fromPeer).flatMap(([, cell = '']) => inlineCode(cell));

  test('name routes that exist', () => {
    const routes = inlineCode(readText('docs/routes.md'));
    const [, signIn] = /redirect\('(\/\w+)\?/.exec(codes.join('\n')) ?? [];
    const named = codes.filter(isRoute);
    expect(named).toEqual(['/logout']);
    expect(routes).toContain(`GET ${signIn}`);
    for (const route of named) expect(routes).toContain(`POST ${route}`);
  });

  test('compile against the copied folder, each in a handler', { timeout: 120_000 }, async () => {
    const known = /^(?:auth|app|req|res|await|new|currentUser|currentSession)\b/;
    const handlers = codes
      .filter((code) => !isRoute(code))
      .map((code, index) => {
        // A bare name is an option of `createAuth`, or a member of what it returns.
        const [name = ''] = /^\w+/.exec(code) ?? [];
        const given = known.test(code) ? '{}' : `{ ${name} }`;
        return `export const handler${index} = async (${given}: Required<AuthOptions> & Auth) => {
          return [${code}]; };`;
      });
    expect(handlers.length).toBeGreaterThan(12);
    const source = `${imports}
      import { currentSession, type Auth, type AuthOptions, type User } from './auth/index.ts';
      void [createAuth, openEmbeddedStore, personIn];
      declare const auth: Auth;
      declare const req: express.Request;
      declare const res: express.Response;
      declare const path: string;
      declare const user: User;
      const app = express();
      ${handlers.join('\n')}
      export type { ErrorRequestHandler, Request, RequestHandler };
      // @ts-expect-error: a name that does not exist fails to compile
      void auth.requireYoungToken;`;
    expect(await compileHost(source, folder, { noEmit: true })).toBe('');
  });
});

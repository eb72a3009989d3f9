// The service worker of docs/copying.md in a real headless Chromium: it leaves page navigations to
// the browser, since a worker that fetches them itself gets no sign-in.
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../support/authkit/local-authkit.ts';
import { freePort } from '../support/app/app.ts';
import { launchChromium, newPage } from '../support/browser/chromium.ts';
import { startHostApp, type HostApp } from '../support/app/host.ts';
import { inlineCode, readText, section } from '../support/reading/markdown.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { test } = withParts('Chromium');

const advice = section(readText('docs/copying.md'), 'Service workers');
const leavesPages = inlineCode(advice).find((code) => code.startsWith('if ')) ?? '';
const HOME = `<a href="/profile">Profile</a>
  <script>navigator.serviceWorker.register('/worker.js' + location.search)</script>`;
let chromium: Browser;
let authKit: LocalAuthKit;
let host: HostApp;
let responses: string[];

beforeAll(async () => {
  chromium = await launchChromium();
  const port = await freePort();
  authKit = await startTestAuthKit({
    redirectUris: [`http://localhost:${port}/callback`],
  });
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const [clientSecret] = clientSecrets;
  const options = { port, issuer: new URL(authKit.issuer), clientId, clientSecret };
  host = await startHostApp(options, (app, auth) => {
    app.use((req, res, next) => {
      res.on('finish', () => responses.push(`${req.path} ${res.statusCode}`));
      next();
    });
    app.use(auth.session, auth.routes);
    app.get('/', (_req, res) => void res.send(HOME));
    app.get('/profile', auth.requireLogin, (_req, res) => void res.send('<h1>Profile</h1>'));
    app.get('/worker.js', ({ query }, res) => {
      const first = query['leaves'] === 'pages' ? leavesPages : '';
      res.type('js').send(`self.addEventListener('activate', () => self.clients.claim());
        self.addEventListener('fetch', (event) => {
          ${first}
          event.respondWith(fetch(event.request, { cache: 'no-store' }));
        });`);
    });
  });
});
afterAll(async () => {
  await chromium.close();
  await host.close();
  await authKit.close();
});
beforeEach(() => {
  responses = [];
});

/** A page that its service worker controls. */
async function pageWithWorker(query: string): Promise<Page> {
  const page = await newPage(chromium);
  await page.goto(host.url + query);
  await page.waitForFunction('navigator.serviceWorker.controller !== null');
  return page;
}

test('a service worker that leaves pages to the browser does not disturb sign-in', async () => {
  expect(leavesPages).not.toBe('');
  const page = await pageWithWorker('?leaves=pages');
  await page.getByRole('link', { name: 'Profile' }).click();
  await page
    .getByRole('button', { name: /^Bruno/ })
    .first()
    .click();
  await page.getByRole('heading', { name: 'Profile' }).waitFor();
  expect(page.url()).toBe(`${host.url}/profile`);
  await page.context().close();
});

test('a service worker that fetches pages itself gets the statuses that docs/copying.md names', async () => {
  const page = await pageWithWorker('');
  const asked = ['/login', '/profile'];
  for (const path of asked) {
    // oxlint-disable-next-line no-await-in-loop -- one page shows one after the other
    await page.goto(host.url + path).catch(() => {}); // a 204 shows no page
  }
  const told = [...advice.matchAll(/\b(?:204|401)\b/g)].map(([status]) => status);
  expect(told).toHaveLength(2);
  for (const [index, path] of asked.entries())
    expect(responses).toContain(`${path} ${told[index]}`);
  await page.context().close();
});

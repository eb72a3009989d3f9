// docs/routes.md lists the routes of the app, all of them and no others.
import { subscribe } from 'node:diagnostics_channel';
import type { Express } from 'express';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { inlineCode, readText, tableRows } from '../support/reading/markdown.ts';

const rows = tableRows(readText('docs/routes.md'));
const routes = rows.flatMap((cells) =>
  inlineCode(cells.join(' ')).filter((code) => /^[A-Z]+ \//.test(code)),
);
let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ webhooks: true, backchannelLogout: true });
});
afterAll(() => app.close());

test.each(routes)('%s is there', async (route) => {
  const [method = '', path = ''] = route.split(' ');
  const browser = new Browser();
  await browser.open(app.url);
  const page = await browser.fetch(`${app.url}${path}`, { method });
  expect(page.status).not.toBe(404);
  expect(page.status).not.toBe(405);
});

/** What Express keeps of a route, or of a middleware, which has none; a router's handle has layers. */
interface Layer {
  route?: { path: string | string[]; stack: { method?: string }[] };
  rawPath: string | string[];
  handle: { stack?: Layer[] };
}

/** Each `METHOD /path` below these layers; `USE /path` for a middleware that has a path. */
function routesBelow(layers: readonly Layer[], parent = ''): string[] {
  return layers.flatMap(({ route, rawPath, handle }) => {
    const paths = [route?.path ?? rawPath].flat().map((path) => parent + path.replace(/^\/$/, ''));
    if (handle.stack) return paths.flatMap((path) => routesBelow(handle.stack ?? [], path));
    const methods = route ? route.stack.map(({ method = 'all' }) => method) : ['use'];
    return paths.flatMap((path) =>
      methods.map((method) => `${method.toUpperCase()} ${path || '/'}`),
    );
  });
}

/** The Express app at this URL. */
async function expressAt(url: string): Promise<Express> {
  const found = new Promise<Express>((resolve) => {
    subscribe('http.server.response.finish', (message) => {
      const { request } = message as { request: { app?: Express; headers: { host?: string } } };
      if (request.app && request.headers.host === new URL(url).host) resolve(request.app);
    });
  });
  await new Browser().open(url);
  return found;
}

test('no other route is there', async () => {
  const { stack } = (await expressAt(app.url)).router as unknown as { stack: Layer[] };
  const there = new Set(routesBelow(stack));
  // The document of RFC 9728 is a middleware: its path follows from the resource.
  const documented = routes.filter((route) => !route.endsWith('/oauth-protected-resource'));
  // HEAD works where GET does; ALL responds with 405 to other methods of a path.
  const asked = [...there].filter((route) => /^(?:GET|POST|PUT|PATCH|DELETE|OPTIONS) /.test(route));
  expect(asked.toSorted()).toEqual(documented.toSorted());
  const paths = new Set(routes.map((route) => route.split(' ')[1]));
  const others = [...there].filter((route) => !paths.has(route.split(' ')[1]));
  // The stylesheet, and the API's own 404.
  expect(others.toSorted()).toEqual(['USE /api', 'USE /assets']);
});

// A middleware without a path could respond to any; these are what scanners request first.
test.each([
  '/nothing-here',
  '/admin',
  '/debug',
  '/metrics',
  '/status',
  '/control',
  '/users',
  '/session',
  '/token',
  '/.env',
  '/.git/config',
  '/.data/sessions.db',
  '/package.json',
  '/views/home.eta',
  '/assets/%2e%2e/package.json',
  '/.well-known/openid-configuration',
  '/oauth2/token',
  '/api',
  '/api/users',
])('GET %s is 404', async (path) => {
  expect((await new Browser().open(`${app.url}${path}`)).status).toBe(404);
});

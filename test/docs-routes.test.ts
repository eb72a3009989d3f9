// The README's table of routes is what the app answers.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApp, type TestApp } from './support/app.ts';
import { Browser } from './support/browser.ts';
import { inlineCode, readText, section, tableRows } from './support/markdown.ts';

const rows = tableRows(section(readText('README.md'), 'Routes'));
const routes = rows.flatMap((cells) =>
  inlineCode(cells.join(' ')).filter((code) => /^[A-Z]+ \//.test(code)),
);
let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
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

test('no other path is there', async () => {
  const browser = new Browser();
  const page = await browser.open(`${app.url}/nothing-here`);
  expect(page.status).toBe(404);
  expect(routes.length).toBeGreaterThan(15);
});

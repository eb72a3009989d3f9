// The diagrams are what happens: each is compared, message by message, with a recording of a real
// sign-in, refresh and sign-out.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { codeBlocks, readText, section } from '../support/reading/markdown.ts';
import { startTrace, type Trace } from '../support/reading/trace.ts';

let app: TestApp;
let trace: Trace;

beforeAll(async () => {
  app = await startTestApp();
  await vi.waitUntil(() => app.log.some(({ event }) => event === 'issuer_discovered'));
  trace = startTrace(app);
});

afterAll(async () => {
  vi.useRealTimers();
  trace.stop();
  await app.close();
});

/** The messages of the diagram under this heading of a page. */
function diagram(page: string, title: string): string[] {
  const [code = ''] = codeBlocks(section(readText(page), title), 'mermaid');
  const lines = code.split('\n').map((line) => line.trim());
  return lines.filter((line) => /^\w-/.test(line));
}

test('one sign-in goes as README.md draws it', async () => {
  await trace.record('GET', () => trace.browser.get(`${app.url}/profile`));
  await trace.record('POST', () => trace.browser.press('Bruno'));
  expect(trace.lines).toEqual(diagram('README.md', 'How one sign-in goes'));
});

test('one refresh goes as docs/flows.md draws it', async () => {
  trace.lines.length = 0;
  vi.useFakeTimers({ toFake: ['Date'] });
  // Four minutes and ten seconds: within the last minute of an access token's five.
  vi.setSystemTime(Date.now() + 250_000);
  await trace.record('GET', () => trace.browser.get(`${app.url}/profile`));
  expect(trace.lines).toEqual(diagram('docs/flows.md', 'How one refresh goes'));
});

test('one sign-out goes as docs/flows.md draws it', async () => {
  trace.lines.length = 0;
  await trace.record('POST', () => trace.browser.press('Sign out'));
  expect(trace.lines).toEqual(diagram('docs/flows.md', 'How one sign-out goes'));
});

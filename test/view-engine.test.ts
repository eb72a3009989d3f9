// The engine of production writes, byte for byte, what ejs writes in development.
import { fileURLToPath } from 'node:url';
import ejs from 'ejs';
import { describe, expect, it } from 'vitest';
import * as words from '../src/routes/words.ts';
import { createViewEngine } from '../src/view-engine.ts';
import { FIXTURES } from './support/view-fixtures.ts';

const engine = createViewEngine();
const fileOf = (view: string) => fileURLToPath(new URL(`../views/${view}.ejs`, import.meta.url));

const rendered = (file: string, locals: object) =>
  new Promise<string | undefined>((resolve, reject) => {
    engine(file, locals, (error, html) => (error instanceof Error ? reject(error) : resolve(html)));
  });

// One engine for all, so that a view meets locals that it was not compiled for.
describe.each(Object.entries(FIXTURES))('%s', (_name, { view, data }) => {
  it('looks as it does in development, the second time as the first', async () => {
    const locals = { ...words, ...data };
    const expected = await ejs.renderFile(fileOf(view), locals);
    expect(await rendered(fileOf(view), locals)).toBe(expected);
    expect(await rendered(fileOf(view), locals)).toBe(expected);
  });
});

it('hands the error of a view to Express, and renders the next page', async () => {
  await expect(rendered(fileOf('profile'), words)).rejects.toThrow(TypeError);
  await expect(rendered(fileOf('no-such-view'), words)).rejects.toThrow('no-such-view.ejs');
  const { view, data } = Object.values(FIXTURES)[0] ?? { view: '', data: {} };
  expect(await rendered(fileOf(view), { ...words, ...data })).toContain('</html>');
});

it('takes nothing from a polluted prototype', async () => {
  const polluted = Object.create({ authkitUnreachable: true }) as object;
  const { view, data } = FIXTURES['organization'] ?? { view: '', data: {} };
  const html = await rendered(fileOf(view), Object.assign(polluted, words, data));
  expect(html).not.toContain('cannot be reached');
});

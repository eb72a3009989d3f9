// The engine of the views: the same pages in development and in production, where a view is read once.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as words from '../../src/demo/format.ts';
import { createViewEngine } from '../../src/demo/view-engine.ts';
import { FIXTURES, HOSTILE } from '../support/reading/view-fixtures.ts';

type Engine = ReturnType<typeof createViewEngine>;
const VIEWS = fileURLToPath(new URL('../../views', import.meta.url));
const [development, production] = [createViewEngine(VIEWS, false), createViewEngine(VIEWS, true)];

const render = (engine: Engine, file: string, locals: object) =>
  new Promise<string | undefined>((resolve, reject) => {
    engine(file, locals, (error, html) => (error instanceof Error ? reject(error) : resolve(html)));
  });
const inViews = (view: string) => join(VIEWS, `${view}.eta`);

describe.each(Object.entries(FIXTURES))('the fixture "%s"', (_name, { view, data }) => {
  it('is the same page in development and in production, the first and the second time', async () => {
    const locals = { ...words, ...data };
    const page = await render(development, inViews(view), locals);
    expect(page).toMatch(/^<!doctype html>\n[^]*<\/html>\n*$/);
    // What a missing value would show.
    expect(page).not.toMatch(/undefined|null|\[object/);
    expect(await render(production, inViews(view), locals)).toBe(page);
    expect(await render(production, inViews(view), locals)).toBe(page);
  });
});

it('escapes what a page says about a user', async () => {
  const { view, data } = FIXTURES['profile, hostile values'] ?? { view: '', data: {} };
  const page = await render(production, inViews(view), { ...words, ...data });
  expect(page).toContain('&quot;&gt;&lt;script&gt;alert(1)');
  expect(page).not.toContain(HOSTILE.slice(0, 10));
});

it('passes the error of a view to Express, and renders the next page', async () => {
  await expect(render(production, inViews('profile'), words)).rejects.toThrow(TypeError);
  await expect(render(production, inViews('no-such-view'), words)).rejects.toThrow('no-such-view');
  const { view, data } = Object.values(FIXTURES)[0] ?? { view: '', data: {} };
  expect(await render(production, inViews(view), { ...words, ...data })).toContain('</html>');
});

describe('a view that changes', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'views-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is read anew in development, and once in production', async () => {
    const file = join(folder, 'page.eta');
    writeFileSync(file, 'before');
    const engines = [createViewEngine(folder, false), createViewEngine(folder, true)];
    const pages = () => Promise.all(engines.map((engine) => render(engine, file, {})));
    expect(await pages()).toEqual(['before', 'before']);
    writeFileSync(file, 'after');
    expect(await pages()).toEqual(['after', 'before']);
  });

  it('shows in development which line of it failed', async () => {
    const file = join(folder, 'broken.eta');
    writeFileSync(file, '<p>\n<%= it.user.name %>\n</p>\n');
    const failed = render(createViewEngine(folder, false), file, {});
    await expect(failed).rejects.toThrow(/broken\.eta:2\n[^]*>> 2\| <%= it\.user\.name %>/);
  });
});

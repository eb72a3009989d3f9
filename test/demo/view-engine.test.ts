// The view engine of production renders exactly the bytes that ejs renders in development.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ejs from 'ejs';
import { describe, expect, it } from 'vitest';
import * as words from '../../src/demo/format.ts';
import { createViewEngine } from '../../src/demo/view-engine.ts';
import { FIXTURES } from '../support/reading/view-fixtures.ts';

const engine = createViewEngine();
const fileOf = (view: string) => fileURLToPath(new URL(`../../views/${view}.ejs`, import.meta.url));

const rendered = (file: string, locals: object) =>
  new Promise<string | undefined>((resolve, reject) => {
    engine(file, locals, (error, html) => (error instanceof Error ? reject(error) : resolve(html)));
  });

// All fixtures share one engine, so that a view also gets locals that it was not compiled for.
describe.each(Object.entries(FIXTURES))('the fixture "%s"', (_name, { view, data }) => {
  it('renders as in development, the first and the second time', async () => {
    const locals = { ...words, ...data };
    const expected = await ejs.renderFile(fileOf(view), locals);
    expect(await rendered(fileOf(view), locals)).toBe(expected);
    expect(await rendered(fileOf(view), locals)).toBe(expected);
  });
});

it('the view engine passes the error of a view to Express, and renders the next page', async () => {
  await expect(rendered(fileOf('profile'), words)).rejects.toThrow(TypeError);
  await expect(rendered(fileOf('no-such-view'), words)).rejects.toThrow('no-such-view.ejs');
  const { view, data } = Object.values(FIXTURES)[0] ?? { view: '', data: {} };
  expect(await rendered(fileOf(view), { ...words, ...data })).toContain('</html>');
});

it('the view engine ignores a polluted prototype of the locals', async () => {
  const polluted = Object.create({ authkitUnreachable: true }) as object;
  const { view, data } = FIXTURES['organization'] ?? { view: '', data: {} };
  const html = await rendered(fileOf(view), Object.assign(polluted, words, data));
  expect(html).not.toContain('cannot be reached');
});

// Typical code in views; ejs renders each of them too.
const WRITTEN: [view: string, ...others: string[]][] = [
  ["<%- include('other', { class: 'x' }) %>", '<%= locals.class %>'],
  ["<%# which class is this, and for what? don't ask %>a<%= name %>"],
  ['<%= \'do it, locals.name\' %> <%= "default" %> <%= `for ${name}` %>'],
  ['<% switch (name) { case "Ada": %>Ada<% break; default: %>none<% } %>'],
  ["<% var name = 'Bo'; let list = [1, 2]; const title = 'T' %><%= name + list + title %>"],
  ['<% function twice(x) { return x + x } %><%= twice(name) %>'],
  ['<% const copy = { ...more }; delete copy.a %><%= JSON.stringify(copy) %>'],
  ['<%= process %> <%= URL %> <%= typeof performance %>'],
  ['<%= new Date(0).toISOString() %> <%= Math.max(1, 2) %> <%= Object.keys(more) %>'],
  [
    "<%- include('other', { name: 'Cy' }) %>",
    "<%= locals?.name %> <%= locals['name'] %> <%= 'name' in locals %>",
  ],
  ['<%= more.locals.a %> <%= locals.hint ? "hint" : "none" %>'],
  [
    '<% for (const [key, value] of Object.entries(more)) { %><%= key %>=<%= typeof value %>;<% } %>',
  ],
  ['<%= more.a?.b ?? "no" %> <%= [name].map((of) => of.length) %> <%= /[a-z\'"]/.test(name) %>'],
  ['<%= ["<", 1] %> <%= new String("<b>") %> <%= null %> <%= 0 %> <%- "<i>" %>'],
];

describe.each(WRITTEN)('the view %s', (view, other = '') => {
  it('renders as with ejs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'views-'));
    writeFileSync(join(folder, 'view.ejs'), view);
    writeFileSync(join(folder, 'other.ejs'), other);
    const own = { name: 'Ada', process: 'a process', URL: 'a URL', performance: 1 };
    const locals = { ...own, class: 'y', more: { a: 1, b: 'two', locals: { a: 'deep' } } };
    const file = join(folder, 'view.ejs');
    const expected = await ejs.renderFile(file, { ...locals });
    expect(await rendered(file, locals)).toBe(expected);
    expect(await rendered(file, locals)).toBe(expected);
    rmSync(folder, { recursive: true });
  });
});

it('the view engine ignores a polluted Object.prototype', async () => {
  const { view, data } = FIXTURES['organization'] ?? { view: '', data: {} };
  const expected = await rendered(fileOf(view), { ...words, ...data });
  try {
    Reflect.set(Object.prototype, 'authkitUnreachable', true);
    expect(await rendered(fileOf(view), { ...words, ...data })).toBe(expected);
  } finally {
    Reflect.deleteProperty(Object.prototype, 'authkitUnreachable');
  }
});

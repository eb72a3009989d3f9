// What the documents owe their readers beyond being true: short pages that the README links to,
// decisions with what was rejected, pictures that a script takes, settings by their names.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settings } from '../../src/config/config.ts';
import {
  inlineCode,
  links,
  markdownFiles,
  readText,
  section,
} from '../support/reading/markdown.ts';

const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.\w+$/.test(name))
    .map((name) => join(folder, name));
const linesOf = (text: string) => text.trimEnd().split('\n');
const headings = (text: string, level: string) =>
  linesOf(text)
    .filter((line) => line.startsWith(`${level} `))
    .map((line) => line.slice(level.length + 1));

test.each([
  ['README.md', 180],
  ['AGENTS.md', 40],
  ['.github/CONTRIBUTING.md', 20],
])('%s has at most %i lines', (file, most) => {
  expect(linesOf(readText(file)).length).toBeLessThanOrEqual(most);
});

describe('the pages of docs', () => {
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md'));

  test.each(pages)('%s has a link in the README', (name) => {
    expect(links(readText('README.md'))).toContain(`docs/${name}`);
  });

  test.each(pages)('%s says in its first paragraph what it is for', (name) => {
    const [title = '', first = ''] = readText(join('docs', name)).split('\n\n');
    expect(title).toMatch(/^# .+$/);
    // A sentence: no heading, list, table or block.
    expect(first).toMatch(/^[A-Z`][^]{40,}[.:]$/);
  });
});

describe('the decisions', () => {
  const decisions = filesIn('docs/decisions').toSorted();

  test('are at least five, numbered', () => {
    expect(decisions.length).toBeGreaterThanOrEqual(5);
    const numbers = decisions.map((file) => Number(/\/(\d{4})-[a-z-]+\.md$/.exec(file)?.[1]));
    expect(numbers).toEqual(decisions.map((_file, index) => index + 1));
  });

  test.each(decisions)('%s says shortly what was decided, and what was rejected', (file) => {
    const text = readText(file);
    expect(linesOf(text).length).toBeLessThan(30);
    const [number] = headings(text, '#')[0]?.split('. ') ?? [];
    expect(Number(number)).toBe(Number(/\d+/.exec(file)?.[0]));
    const parts = ['Context', 'Decision', 'Rejected', 'Consequences'];
    expect(headings(text, '##').filter((title) => parts.includes(title))).toEqual(parts);
    // Each with its name in italics, and the reason behind a colon or in a sentence of its own.
    expect(section(text, 'Rejected')).toMatch(/^- \*[^*]+\*[^]*?[:.] \S/m);
  });

  const sources = filesIn('src').filter((file) => file.endsWith('.ts'));
  const source = sources.map(readText).join('\n');

  test.each(decisions)('%s is about today: it names what the source has', (file) => {
    const text = readText(file);
    const today = inlineCode(section(text, 'Decision') + section(text, 'Consequences'));
    const names = today.flatMap((code) => code.match(/\b[A-Za-z]+[a-z][A-Z]\w*/g) ?? []);
    expect(names.filter((name) => !source.includes(name))).toEqual([]);
    const later = [...text.matchAll(/^Superseded .*?(\d{4})/gm)].map(([, number]) =>
      Number(number),
    );
    expect(later.filter((number) => number > decisions.length)).toEqual([]);
  });
});

describe('the pictures', () => {
  const script = readText('scripts/screenshots.ts');
  const [, folder = ''] = /FOLDER = '([^']+)'/.exec(script) ?? [];
  const names = [...script.matchAll(/await save\('([\w-]+)'\)/g)].map(([, name = '']) => name);
  const schemes = [...script.matchAll(/take\(browser, app\.url, '(\w+)'\)/g)].map(
    ([, one = '']) => one,
  );
  const taken = names.flatMap((name) => schemes.map((scheme) => `${folder}/${name}-${scheme}.png`));
  const shown = markdownFiles().flatMap((file) =>
    links(readText(file))
      .filter((address) => /\.(?:png|jpe?g|gif|svg|webp)$/.test(address))
      .map((address) => join(dirname(file), address)),
  );

  test('are those that the script takes, light and dark, and each is shown', () => {
    expect(schemes).toEqual(['light', 'dark']);
    expect(names.length).toBeGreaterThan(1);
    expect(filesIn('docs/images').toSorted()).toEqual(taken.toSorted());
    expect([...new Set(shown)].toSorted()).toEqual(taken.toSorted());
  });

  test.each(taken)('%s is a picture', (file) => {
    // PNG, section 5.2: the signature.
    expect(readText(file).slice(1, 4)).toBe('PNG');
  });
});

describe('the names of settings', () => {
  // What two examples and the compose file read, besides the settings of the app.
  const examples = readText('examples/m2m/main.ts') + readText('examples/mcp/settings.ts');
  const compose = readText('deploy/compose.yaml');
  const known = [
    ...Object.keys(settings.shape),
    // Of Node and of other programs.
    'NODE_EXTRA_CA_CERTS',
    'NODE_USE_ENV_PROXY',
    'HTTP_PROXY',
    // Of a copy (docs/other-providers.md).
    'CLIENT_PRIVATE_KEY',
    ...[...examples.matchAll(/env\['(\w+)'\]/g)].map(([, name = '']) => name),
    ...[...compose.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name),
  ];

  test.each(markdownFiles())('in %s are those of the schema', (file) => {
    const named = readText(file).match(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g) ?? [];
    // Errors of Node and jose look alike.
    const unknown = named.filter((name) => !name.startsWith('ERR_') && !known.includes(name));
    expect(unknown).toEqual([]);
  });
});

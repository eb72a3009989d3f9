// docs/conformance.md claims nothing without a test: each row names tests that are in their files,
// or says what is missing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inlineCode, readText, section, tableRows } from '../support/reading/markdown.ts';

const text = readText('docs/conformance.md');
/** The number of modules in each plan of the suite. */
const PLANS = {
  Basic: 14,
  Config: 6,
  'RP-Initiated Logout': 3,
  'Back-Channel Logout': 8,
  Refresh: 3,
  'Third-Party-Initiated Login': 1,
  'Further modules for the code flow': 10,
};

/** The tests that a cell names, each with its file; titles and rows as their file writes them. */
function testsIn(cell: string): [file: string, title: string][] {
  return [...cell.matchAll(/\]\(([^)\s]+)\)([^[]*)/g)].flatMap(([, link = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']): [string, string] => [
      join('docs', link),
      title,
    ]),
  );
}

const isThere = ([file, title]: [file: string, title: string]) =>
  existsSync(file) && ["'", '`'].some((mark) => readText(file).includes(mark + title + mark));

describe.each(Object.entries(PLANS))('%s', (plan, count) => {
  const rows = tableRows(section(text, plan));

  it('has a row for each module', () => {
    const modules = rows.flatMap(([module = '']) => inlineCode(module));
    expect(new Set(modules).size).toBe(count);
    expect(rows).toHaveLength(count);
    for (const module of modules) expect(module).toMatch(/^oidcc-client-test[\w-]*$/);
  });

  it.each(rows)('%s: has tests that exist, or says what is missing', (...cells) => {
    expect(cells).toHaveLength(4);
    for (const cell of cells) expect(cell).not.toMatch(/^[-–?\s]*$/);
    const [, , tests = '', missing] = cells;
    const named = testsIn(tests);
    expect(named.filter((one) => !isThere(one))).toEqual([]);
    if (named.length === 0)
      expect([tests, missing]).toEqual(['none', expect.stringMatching(/.{5}/)]);
  });
});

// SECURITY.md claims no defence without a test that fails when it is taken away: its rows, the entries of
// defences.ts, the code and the tests agree. `npm run defences` takes the defences away.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inlineCode, readText, section, tableRows } from '../support/reading/markdown.ts';
import { DEFENCES, namePattern } from './defences.ts';

const text = readText('.github/SECURITY.md');

interface Package {
  dev?: boolean;
  hasInstallScript?: boolean;
  integrity?: string;
}
const { dependencies } = JSON.parse(readText('package.json')) as {
  dependencies: Record<string, string>;
};
const { packages } = JSON.parse(readText('package-lock.json')) as {
  packages: Record<string, Package>;
};

/** The files that a cell links to, each with the titles in quotes behind its link. */
function linked(cell: string): { file: string; titles: string[] }[] {
  const found = cell.matchAll(/\]\(([^)\s]+)\)([^[]*)/g);
  return [...found].map(([, link = '', rest = '']) => ({
    file: join('.github', link),
    titles: [...rest.matchAll(/"([^"]+)"/g)].map(([, title = '']) => title),
  }));
}

const textOf = (file: string) => (existsSync(file) ? readText(file) : '');
const unique = (values: string[]) => [...new Set(values)].toSorted();

describe('threats', () => {
  const rows = tableRows(section(text, 'Threats'));

  it('are those of defences.ts, in the same order', () => {
    expect(rows.map(([threat]) => threat)).toEqual(Object.keys(DEFENCES));
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('%s: names the code and the tests of its defences', (...cells) => {
    expect(cells).toHaveLength(4);
    for (const cell of cells) expect(cell).not.toMatch(/^[-–?\s]*$/);
    const [threat = '', , code = '', tests = ''] = cells;
    const defences = DEFENCES[threat] ?? [];
    expect(unique(linked(code).map(({ file }) => file))).toEqual(
      unique(defences.map(({ file }) => file)),
    );
    const named = linked(tests).flatMap(({ file, titles }) =>
      titles.map((title) => `${file} "${title}"`),
    );
    const failing = defences.map(({ test }) => `${test.file} "${test.title}"`);
    expect(unique(named)).toEqual(unique(failing));
  });
});

describe('the defences', () => {
  const defences = Object.values(DEFENCES).flat();

  it('are each found once in the code', () => {
    const edits = defences.flatMap((defence) => [defence, ...(defence.also ?? [])]);
    const stale = edits.flatMap(({ file, find }) => {
      const count = textOf(file).split(find).length - 1;
      return count === 1 ? [] : [`${file} holds ${count} times: ${find}`];
    });
    expect(stale).toEqual([]);
    for (const { find, replace } of edits) expect(replace).not.toBe(find);
  });

  it('name tests that are there', () => {
    const missing = defences.flatMap(({ test: { file, title } }) =>
      textOf(file).includes(title) ? [] : [`${file} has no test "${title}"`],
    );
    expect(missing).toEqual([]);
  });
});

it.each([
  ['code twice', 'a response with code twice is refused'],
  ['the third %i %s ends the session', 'the third 400 access_denied ends the session'],
  ['signs in ($who)', 'a person signs in (Ada)'],
])('the title "%s" stands for "%s"', (title, name) => {
  expect(name).toMatch(new RegExp(namePattern(title)));
});

describe('the supply chain', () => {
  it('has a reason for each runtime dependency, and for no other', () => {
    const rows = tableRows(section(text, 'Supply chain'));
    const named = rows.flatMap(([name = '']) => inlineCode(name));
    expect(named.toSorted()).toEqual(Object.keys(dependencies).toSorted());
    for (const [, reason = ''] of rows) expect(reason.length).toBeGreaterThan(5);
  });

  it('runs no install script of a package in production, and one of them all', () => {
    const withScript = Object.entries(packages).filter(
      ([, { hasInstallScript }]) => hasInstallScript,
    );
    expect(withScript.map(([name, { dev }]) => [name, dev])).toEqual([
      ['node_modules/esbuild', true],
    ]);
  });

  it('is locked with a hash for each package', () => {
    const unlocked = Object.entries(packages).filter(
      ([name, { integrity }]) => name !== '' && !integrity?.startsWith('sha512-'),
    );
    expect(unlocked.map(([name]) => name)).toEqual([]);
  });
});

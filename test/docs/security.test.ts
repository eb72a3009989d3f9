// SECURITY.md claims no defense without a test that fails when it is taken away: its rows, the entries of
// defenses.ts, the code and the tests agree. `npm run defenses` takes the defenses away.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inlineCode, readText, section, tableRows } from '../support/reading/markdown.ts';
import { DEFENSES, namePattern } from './defenses.ts';

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

  it('are those of defenses.ts, in the same order', () => {
    expect(rows.map(([threat]) => threat)).toEqual(Object.keys(DEFENSES));
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('%s: names the code and the tests of its defenses', (...cells) => {
    expect(cells).toHaveLength(4);
    for (const cell of cells) expect(cell).not.toMatch(/^[-–?\s]*$/);
    const [threat = '', , code = '', tests = ''] = cells;
    const defenses = DEFENSES[threat] ?? [];
    expect(unique(linked(code).map(({ file }) => file))).toEqual(
      unique(defenses.map(({ file }) => file)),
    );
    const named = linked(tests).flatMap(({ file, titles }) =>
      titles.map((title) => `${file} "${title}"`),
    );
    const failing = defenses.map(({ test }) => `${test.file} "${test.title}"`);
    expect(unique(named)).toEqual(unique(failing));
  });
});

describe('the defenses', () => {
  const defenses = Object.values(DEFENSES).flat();

  it('are each found once in the code', () => {
    const edits = defenses.flatMap((defense) => [defense, ...(defense.also ?? [])]);
    const stale = edits.flatMap(({ file, find }) => {
      const count = textOf(file).split(find).length - 1;
      return count === 1 ? [] : [`${file} holds ${count} times: ${find}`];
    });
    expect(stale).toEqual([]);
    for (const { find, replace } of edits) expect(replace).not.toBe(find);
  });

  it('name tests that are there', () => {
    const missing = defenses.flatMap(({ test: { file, title } }) =>
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

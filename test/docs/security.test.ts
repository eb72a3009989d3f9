// SECURITY.md says what defends against what, and where that is proved: no row without all four,
// every file is there, and the supply chain is as it says.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inlineCode, links, readText, section, tableRows } from '../support/reading/markdown.ts';

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

describe('threats', () => {
  const rows = tableRows(section(text, 'Threats'));

  it('are many', () => {
    expect(rows.length).toBeGreaterThan(25);
  });

  it.each(rows)('%s: a defence, where it is, and its test', (...cells) => {
    expect(cells).toHaveLength(4);
    for (const cell of cells) expect(cell).not.toMatch(/^[-–?\s]*$/);
    const [, , where = '', test = ''] = cells;
    const files = links(where).map((link) => join('.github', link));
    const tests = links(test).map((link) => join('.github', link));
    expect(files.length * tests.length).toBeGreaterThan(0);
    for (const file of files) expect([file, existsSync(file)]).toEqual([file, true]);
    for (const file of tests) {
      expect(file).toMatch(/^test\/[\w-]+\.test\.ts$/);
      expect([file, existsSync(file)]).toEqual([file, true]);
    }
  });
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

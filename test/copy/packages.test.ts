// The install lines beside each copy command name exactly the packages that the copied folders
// import, in the versions that these tests use.
import { existsSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandsIn, copiedFolders, packagesIn, removedPaths } from '../support/app/copied-app.ts';
import { codeBlocks, inlineCode, readText, section } from '../support/reading/markdown.ts';

const auth = section(readText('README.md'), 'Copy this into your app');
const api = section(readText('docs/api.md'), 'Copy it into your app');
const copying = readText('docs/copying.md');
const commonJs = section(copying, 'CommonJS');
const kit = readText('docs/testing-your-copy.md');
const live = readText('docs/live.md');

/** The packages that these sources import: statically, for effect or dynamically. */
function importsIn(sources: readonly string[]): string[] {
  const imports = /\bfrom '([^']+)';$|^import '([^']+)';$|\bimport\('([^']+)'\)/gm;
  const specifiers = sources.flatMap((source) =>
    [...source.matchAll(imports)].map(([, ...found]) => found.find(Boolean) ?? ''),
  );
  const packages = specifiers
    .filter((name) => !name.startsWith('.') && !isBuiltin(name))
    .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
  return [...new Set(packages)].toSorted();
}

const sourcesIn = (folder: string, without: readonly string[] = []) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => path.endsWith('.ts') && !without.some((removed) => path.startsWith(removed)))
    .map((path) => readText(path));

const copiedSources = (text: string) =>
  copiedFolders(text).flatMap((name) => sourcesIn(name, removedPaths(commandsIn(text))));

/** The type packages for these; a package with its own types has none. */
const typesOf = (packages: readonly string[]) =>
  packages.map((name) => `@types/${name}`).filter((name) => existsSync(`node_modules/${name}`));

/** A package for the compiler only, or the compiler itself. */
const isToCompile = ({ name }: { name: string }) => /^@types\/|^typescript$/.test(name);
const namesIn = (packages: { name: string }[]) => packages.map(({ name }) => name);

const { dependencies, devDependencies } = JSON.parse(readText('package.json')) as Record<
  'dependencies' | 'devDependencies',
  Record<string, string>
>;
const ours = { ...dependencies, ...devDependencies };

describe.each([
  ['src/auth with src/store', auth],
  ['src/bearer', api],
])('the install lines for %s', (_folders, text) => {
  const imported = importsIn(copiedSources(text));
  const [packages, toCompile] = [false, true].map((wanted) =>
    namesIn(packagesIn(text).filter((one) => isToCompile(one) === wanted)),
  );

  test('name the imported packages', () => {
    expect(packages).toEqual(imported);
  });

  test('name the compiler and the missing type packages', () => {
    expect(toCompile).toEqual([...typesOf(imported), '@types/node', 'typescript'].toSorted());
  });
});

test.each(['Redis', 'PostgreSQL'])('the store engine %s needs the packages it is given', (name) => {
  const engine = section(copying, 'Another engine of the store')
    .split('\n\n')
    .find((paragraph) => paragraph.startsWith(`${name}: `));
  const codes = inlineCode(engine ?? '');
  const named = codes.filter((code) => /@\d/.test(code)).map((code) => code.replace(/@\d+$/, ''));
  const folder = codes.find((code) => code.endsWith('/store.ts')) ?? '';
  const imported = importsIn(sourcesIn(dirname(folder)));
  expect(named).toEqual([...imported, ...typesOf(imported)]);
});

test('the CommonJS copy needs the same packages, without the compiler', () => {
  expect(packagesIn(commonJs)).toEqual(packagesIn(auth).filter((one) => !isToCompile(one)));
  const built = copiedFolders(commonJs).map((folder) => folder.replace('dist/', 'src/'));
  expect(built).toEqual(copiedFolders(auth));
});

test('the install line of the test kit names its imports beyond src/auth and the runner of its commands', () => {
  const present = namesIn(packagesIn(auth));
  const imported = importsIn([...copiedSources(kit), ...codeBlocks(kit, 'ts')]);
  const [, runner = ''] = /--import (\S+)/.exec(inlineCode(kit).join('\n')) ?? [];
  const needed = [...imported, ...typesOf(imported), runner].filter(
    (name) => !present.includes(name),
  );
  expect(namesIn(packagesIn(kit)).toSorted()).toEqual(needed.toSorted());
});

test('src/live needs no package; the install lines beside it name those of its example', () => {
  expect(importsIn(copiedSources(live))).toEqual([]);
  const imported = importsIn(codeBlocks(live, 'ts'));
  expect(namesIn(packagesIn(live))).toEqual([...imported, ...typesOf(imported)]);
});

test.each([
  ['src/auth with src/store', auth],
  ['src/bearer', api],
  ['src/live', live],
  ['CommonJS', commonJs],
  ['the test kit', kit],
])('the install lines for %s name the tested versions', (_what, text) => {
  const packages = packagesIn(text);
  expect(packages.length).toBeGreaterThan(1);
  // A caret range is fixed up to its first number that is not zero, and so is the install line.
  const tested = packages.map(({ name }) => /^\^(0\.\d+|\d+)/.exec(ours[name] ?? '')?.[1]);
  expect(packages.map(({ version }) => version)).toEqual(tested);
});

test.each([auth, api, commonJs])('the copy commands lead to the app beside this clone', (text) => {
  const [made, copied, entered] = ['mkdir', 'cp', 'cd'].map((program) =>
    commandsIn(text).find((line) => line.startsWith(`${program} `)),
  );
  const target = /\S+$/.exec(copied ?? '')?.[0];
  expect(made?.replace(/^mkdir (-p )?/, '')).toBe(target);
  expect(entered).toBe('cd ../your-app');
});

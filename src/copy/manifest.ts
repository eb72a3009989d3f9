// Edits of package.json: missing packages and scripts, in the file's own format.
import {
  applyEdits,
  findNodeAtLocation,
  modify,
  parseTree,
  type FormattingOptions,
} from 'jsonc-parser';
import { allPackages, installedVersion, majorOf, type App } from './app.ts';
import { CopyError } from './errors.ts';
import type { Packages } from './shipped.ts';

/** Adds a value to a JSON text, with its comments and its indentation kept. */
export function setValue(text: string, path: (string | number)[], value: unknown): string {
  const [, indentation = '  '] = /^[{[]\r?\n([ \t]+)/.exec(text.trimStart()) ?? [];
  const formattingOptions: FormattingOptions = {
    insertSpaces: !indentation.startsWith('\t'),
    tabSize: indentation.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
  const last = path.at(-1);
  // Package managers sort these, so adding them at the end would make a larger diff later.
  const getInsertionIndex = (names: string[]) =>
    path.length === 2 && String(path[0]).endsWith('ependencies')
      ? names.filter((name) => name < String(last)).length
      : placeWithoutComment(text, path.slice(0, -1));
  return applyEdits(text, modify(text, path, value, { formattingOptions, getInsertionIndex }));
}

/** Behind the last property that has no comment in its line, which would move to the added one. */
function placeWithoutComment(text: string, path: (string | number)[]): number {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const properties = (root && findNodeAtLocation(root, path)?.children) ?? [];
  const isFree = ({ offset, length }: { offset: number; length: number }) =>
    !/^,?[ \t]*\/[/*]/.test(text.slice(offset + length));
  return properties.findLastIndex(isFree) + 1;
}

/**
 * Adds the packages that are missing. A package that the app has stays in its version.
 * @throws CopyError `app_unsuitable` for a version that the copy does not work with
 */
export function addPackages(text: string, app: App, packages: Packages): string {
  assertSuitable(app, packages);
  const present = allPackages(app.manifest);
  let edited = text;
  for (const kind of ['dependencies', 'devDependencies'] as const) {
    const isNeeded = (name: string) =>
      !(name in present) || (kind === 'dependencies' && !(name in (app.manifest[kind] ?? {})));
    const needed = Object.entries(packages[kind]).filter(([name]) => isNeeded(name));
    // By itself, or it would be sorted among the names of the file.
    if (needed.length > 0 && !app.manifest[kind]) edited = setValue(edited, [kind], {});
    for (const [name, range] of needed) {
      edited = setValue(edited, [kind, name], present[name] ?? range);
      if (name in present) edited = setValue(edited, ['devDependencies', name], undefined);
    }
  }
  return edited;
}

/** Packages of which the copy works with other versions than the one it is tested with most. */
const ANY_VERSION = /^@types\/(node|express)$/;

function assertSuitable(app: App, { dependencies, devDependencies }: Packages): void {
  const present = allPackages(app.manifest);
  const unsuitable = Object.entries({ ...devDependencies, ...dependencies }).filter(
    ([name, range]) => {
      const has = present[name];
      // What is no version, such as `latest` or `workspace:*`, is the app's own decision.
      if (has === undefined || majorOf(has) === undefined || ANY_VERSION.test(name)) return false;
      if (name === 'express') return ![4, 5].includes(app.express ?? 5);
      if (name === 'typescript') return !compilesCopy(has, installedVersion(app.root, name));
      return significant(has) !== significant(range);
    },
  );
  if (unsuitable.length === 0) return;
  const list = unsuitable.map(
    ([name, range]) => `${name} ${present[name]} (needs ${NEEDED[name] ?? range})`,
  );
  throw new CopyError(
    'app_unsuitable',
    `The copy does not work with these packages of your app: ${list.join(', ')}. Update them first.`,
  );
}

const NEEDED: Partial<Record<string, string>> = { express: '4 or 5', typescript: '5.7 or later' };

/** The part of a version up to its first number that is not zero: a change there may break. */
const significant = (range: string) => /\d+(?:(?<=\b0)\.\d+)?/.exec(range)?.[0];

/** Without an installed version, `^5.2.0` gets the newest 5. */
const compilesCopy = (range: string, installed: string | undefined) =>
  rewritesImports(range) || (installed ? rewritesImports(installed) : /^\^5|^5(\.x)?$/.test(range));

/** `rewriteRelativeImportExtensions` came with TypeScript 5.7. */
function rewritesImports(version: string): boolean {
  const [major = 0, minor = 0] = (version.match(/\d+/g) ?? []).map(Number);
  return major > 5 || (major === 5 && minor >= 7);
}

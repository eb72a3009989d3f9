// Edits of tsconfig.json: the settings without which the copied TypeScript does not compile.
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { createFilesMatcher, parseTsconfig, type TsConfigJson } from 'get-tsconfig';
import type { App } from './app.ts';
import { CopyError } from './errors.ts';
import { setValue } from './manifest.ts';

export interface CompilerChange {
  name: string;
  from: unknown;
  to: unknown;
}

type Options = TsConfigJson.CompilerOptions;

/** The lowest target that has what the copied code calls, such as `toSorted`. */
const TARGET = 2023;

/**
 * The settings that this source is compiled with: tsconfig.json, or the one of those it refers to.
 * @returns a path below the app; undefined if there is no tsconfig.json
 * @throws CopyError `app_unsuitable` if the file cannot be read
 */
export function settingsFile(root: string, source: string): string | undefined {
  if (!existsSync(join(root, 'tsconfig.json'))) return undefined;
  const { references = [] } = read(join(root, 'tsconfig.json'));
  const referred = references
    .map(({ path }) => posix.normalize(path.endsWith('.json') ? path : `${path}/tsconfig.json`))
    .filter((path) => !path.startsWith('..') && existsSync(join(root, path)));
  const compiles = (file: string) => {
    const path = join(root, file);
    return createFilesMatcher({ path, config: read(path) })(join(root, source)) !== undefined;
  };
  return ['tsconfig.json', ...referred].find(compiles) ?? 'tsconfig.json';
}

function read(file: string) {
  try {
    return parseTsconfig(file);
  } catch (cause) {
    const { message } = cause as Error;
    throw new CopyError('app_unsuitable', `${file} cannot be read: ${message}`, { cause });
  }
}

/**
 * What has to change in the settings that are in effect, those of `extends` included.
 * @throws CopyError `app_unsuitable` if the file cannot be read
 */
export function neededSettings(
  file: string,
  modules: App['modules'],
  withLocalAuthKit: boolean,
): CompilerChange[] {
  const { compilerOptions: options = {} } = read(file);
  const isUnfit = !readsExports(options) || (modules === 'commonjs' && cannotRequire(options));
  const needed: Partial<Options> = {
    ...(isUnfit && { module: 'nodenext' }),
    ...(isUnfit && options.moduleResolution && { moduleResolution: 'nodenext' }),
    // The copied files use `import`, which this setting does not translate.
    ...(modules === 'commonjs' && options.verbatimModuleSyntax && { verbatimModuleSyntax: false }),
    ...(!options.allowImportingTsExtensions && { rewriteRelativeImportExtensions: true }),
    ...(isOld(options.target) && { target: `es${TARGET}` as 'es2023' }),
    ...(isOldLibrary(options.lib) && {
      lib: [`es${TARGET}` as 'es2023', ...(options.lib ?? []).filter((name) => !isOld(name))],
    }),
    ...(lacksNode(options.types) && { types: [...(options.types ?? []), 'node'] }),
    ...(withLocalAuthKit && options.skipLibCheck === undefined && { skipLibCheck: true }),
  };
  return Object.entries(needed)
    .map(([name, to]) => ({ name, from: (options as Record<string, unknown>)[name], to }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
}

/** Whether tsc writes what it compiles beside the sources, where it is committed by mistake. */
export function hasNoOutDir(file: string): boolean {
  const { outDir, noEmit, emitDeclarationOnly } = read(file).compilerOptions ?? {};
  return outDir === undefined && !noEmit && !emitDeclarationOnly;
}

export function withSettings(text: string, changes: readonly CompilerChange[]): string {
  return changes.reduce(
    (edited, { name, to }) => setValue(edited, ['compilerOptions', name], to),
    text,
  );
}

/** Whether packages are found by their `exports`, which jose and openid-client need. */
function readsExports({ module, moduleResolution }: Options): boolean {
  const mode = (moduleResolution ?? module ?? '').toLowerCase();
  return /^(node16|node18|node20|nodenext|bundler|preserve)$/.test(mode);
}

/** In these modes a CommonJS module must not require an ES module, such as openid-client. */
const cannotRequire = ({ module }: Options) => /^node1[68]$/i.test(module ?? '');

/** Without a list, the types of Node come with those of Express. */
const lacksNode = (types: readonly string[] | undefined) =>
  types !== undefined && !types.some((name) => name === 'node' || name === '*');

/** Whether this is an ECMAScript version before TARGET, such as `es6` or `es2020`. */
function isOld(name: string | undefined): boolean {
  const [, digits] = /^es(\d+)(?:\.|$)/i.exec(name ?? '') ?? [];
  if (digits === undefined) return false;
  return digits.length < 4 || Number(digits) < TARGET;
}

const isOldLibrary = (lib: readonly string[] | undefined) =>
  lib !== undefined && !lib.some((name) => /^es(next|\d+)$/i.test(name) && !isOld(name));

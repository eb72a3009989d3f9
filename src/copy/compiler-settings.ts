// Edits of tsconfig.json: the settings without which the copied TypeScript does not compile.
import { parseTsconfig, type TsConfigJson } from 'get-tsconfig';
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
 * What has to change in the settings that are in effect, those of `extends` included.
 * @throws CopyError `app_unsuitable` if the file cannot be read
 */
export function neededSettings(file: string, withLocalAuthKit: boolean): CompilerChange[] {
  let options: Options;
  try {
    ({ compilerOptions: options = {} } = parseTsconfig(file));
  } catch (cause) {
    throw new CopyError('app_unsuitable', `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  const needed: Partial<Options> = {
    ...(!readsExports(options) && { module: 'nodenext' }),
    ...(!readsExports(options) && options.moduleResolution && { moduleResolution: 'nodenext' }),
    ...(!options.allowImportingTsExtensions && { rewriteRelativeImportExtensions: true }),
    ...(isOld(options.target) && { target: `es${TARGET}` as 'es2023' }),
    ...(isOldLibrary(options.lib) && {
      lib: [`es${TARGET}` as 'es2023', ...(options.lib ?? []).filter((name) => !isOld(name))],
    }),
    ...(withLocalAuthKit && options.skipLibCheck === undefined && { skipLibCheck: true }),
  };
  return Object.entries(needed)
    .map(([name, to]) => ({ name, from: (options as Record<string, unknown>)[name], to }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
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
  if (/^(node16|node18|node20|nodenext|bundler|preserve)$/.test(mode)) return true;
  return false;
}

/** Whether this is an ECMAScript version before TARGET, such as `es6` or `es2020`. */
function isOld(name: string | undefined): boolean {
  const [, digits] = /^es(\d+)(?:\.|$)/i.exec(name ?? '') ?? [];
  if (digits === undefined) return false;
  return digits.length < 4 || Number(digits) < TARGET;
}

const isOldLibrary = (lib: readonly string[] | undefined) =>
  lib !== undefined && !lib.some((name) => /^es(next|\d+)$/i.test(name) && !isOld(name));

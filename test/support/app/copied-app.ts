// Runs the documents' commands that copy a folder and install its packages, in a temporary folder
// that holds nothing else.
import { execFile } from 'node:child_process';
import { cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';
import { codeBlocks, readText } from '../reading/markdown.ts';

const run = promisify(execFile);

/** This package, with what `npm run build` makes (compile.ts). */
export const builtPackage = () => join(inject('compiledProject'), 'package');

/** The TypeScript compiler of this project. */
const TSC = resolve('node_modules/typescript/bin/tsc');

/** The command lines of the code blocks without a language. */
export const commandsIn = (markdown: string) => codeBlocks(markdown, '').join('').split('\n');

const COPY = /^cp -r (.*) \.\.\/your-app\/(.*)$/m;

/** The folders in the `cp` line. */
export function copiedFolders(markdown: string): string[] {
  return COPY.exec(commandsIn(markdown).join('\n'))?.[1]?.split(' ') ?? [];
}

/** The paths in the `rm` lines, in the app. */
export const removedPaths = (commands: readonly string[]) =>
  commands
    .filter((command) => command.startsWith('rm '))
    .flatMap((command) => command.replace(/^rm (-r )?/, '').split(' '));

/**
 * Runs the `cp` line, which copies its folders from below `from` to below `app`, and the `rm` lines.
 */
export async function copyFolders(markdown: string, from: string, app: string): Promise<void> {
  const [, , to = ''] = COPY.exec(commandsIn(markdown).join('\n')) ?? [];
  const copies = copiedFolders(markdown).map((name) =>
    cp(join(from, name), join(app, to, basename(name)), { recursive: true }),
  );
  await Promise.all(copies);
  await removeFrom(app, commandsIn(markdown));
}

/** The packages and versions in the `npm install` lines. */
export function packagesIn(markdown: string): { name: string; version: string }[] {
  const lines = commandsIn(markdown).filter((line) => line.startsWith('npm install '));
  const specs = lines.flatMap((line) => line.replace(/^npm install( --save-dev)? /, '').split(' '));
  return specs.map((spec) => {
    const at = spec.lastIndexOf('@');
    return { name: spec.slice(0, at), version: spec.slice(at + 1) };
  });
}

/** Links the packages of the `npm install` lines into `app`, in the versions installed here. */
export async function installPackages(markdown: string, app: string): Promise<void> {
  await Promise.all(packagesIn(markdown).map(({ name }) => linkPackage(name, app)));
}

/** Links this package into `app`, in the version installed here. */
export async function linkPackage(name: string, app: string): Promise<void> {
  const target = join(app, 'node_modules', name);
  await mkdir(dirname(target), { recursive: true });
  await symlink(resolve('node_modules', name), target);
}

/** Runs the `rm` commands among these; throws if a path does not exist. */
export async function removeFrom(app: string, commands: readonly string[]): Promise<void> {
  const paths = removedPaths(commands);
  await Promise.all(paths.map((path) => rm(join(app, path), { recursive: true })));
}

/**
 * Compiles `host` as src/server.ts with every flag of this project and those of `changed`; returns
 * the output of the compiler.
 */
export async function compileHost(host: string, app: string, changed = {}): Promise<string> {
  const { compilerOptions } = JSON.parse(readText('tsconfig.json')) as { compilerOptions: object };
  const options = { ...compilerOptions, noEmit: false, rootDir: 'src', outDir: 'dist', ...changed };
  await writeFile(join(app, 'src/server.ts'), host);
  await writeFile(join(app, 'package.json'), '{ "type": "module" }');
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }));
  return compile(app);
}

/** Compiles the app; returns the output of the compiler. */
export async function compile(app: string): Promise<string> {
  const compiled = await run(process.execPath, [TSC], { cwd: app }).catch(
    (error: { stdout: string }) => error,
  );
  return compiled.stdout;
}

/**
 * Follows the CommonJS instructions of docs/copying.md with what compile.ts has built; returns the path
 * of the app.
 */
export async function copyForCommonJs(markdown: string, folder: string): Promise<string> {
  const app = join(folder, 'commonjs');
  await copyFolders(markdown, builtPackage(), app);
  await installPackages(markdown, app);
  const [, type = '', file = ''] =
    /^echo '(.*)' > \.\.\/your-app\/(.*)$/m.exec(commandsIn(markdown).join('\n')) ?? [];
  await writeFile(join(app, file), type);
  await writeFile(join(app, 'package.json'), '{ "type": "commonjs" }');
  return app;
}

// globalSetup of both suites: compiles what tests start as processes, once for all of them. Through tsx
// each start would take a second more of the processor.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';

// What the compiled code reads beside itself.
const LINKED = [
  'node_modules',
  'package.json',
  'public',
  'views',
  'src/development/local-authkit/views',
];
// What `npm run copy` copies from, beside the compiled folders.
const COPIED = ['node_modules', 'package.json', 'src', 'releases', 'CHANGELOG.md'];
// The second has an `Express.User` of its own, a global type.
const PROJECTS = ['.', 'examples/beside'];
const TSC = 'node_modules/typescript/bin/tsc';

/** Provides the folder of the compiled project to `compiled`; removes it after the tests. */
export function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'authkit-compiled-'));
  // Some tests start the app as another user.
  chmodSync(folder, 0o755);
  // `npm run check` finds type errors; a test that fails on one would not say which behavior broke.
  const options = ['--noEmit', 'false', '--noCheck', '--rootDir', '.', '--outDir', folder];
  const compile = () => {
    for (const path of PROJECTS) execFileSync(process.execPath, [TSC, '-p', path, ...options]);
  };
  compile();
  for (const path of LINKED) symlinkSync(resolve(path), join(folder, path));
  compilePackage(join(folder, 'package'));
  project.provide('compiledProject', folder);
  project.onTestsRerun(async () => compile());
  return () => rmSync(folder, { recursive: true, force: true });
}

/** This package as `npm run copy` has it: a copied local AuthKit needs its declarations. */
function compilePackage(folder: string): void {
  const options = ['--declaration', '--noCheck', '--outDir', join(folder, 'dist')];
  execFileSync(process.execPath, [TSC, '-p', 'tsconfig.build.json', ...options]);
  for (const path of COPIED) symlinkSync(resolve(path), join(folder, path));
}

declare module 'vitest' {
  interface ProvidedContext {
    compiledProject: string;
  }
}

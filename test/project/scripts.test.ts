// The scripts of package.json are run by cmd on Windows and by sh elsewhere: only what both read alike.
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>;
};

// Quotes, variables, substitutions, globs, pipes, redirections, lists and jobs; && is the same in both.
const SHELL_ONLY = /[$%'`;|<>*?~^(){}\\]|(?<!&)&(?!&)/;

const isEverywhere = (name: string) =>
  ['node', 'npm'].includes(name) || existsSync(`node_modules/.bin/${name}`);

/** What in a script runs on one system only; undefined: nothing. */
function problemIn(script: string): string | undefined {
  const syntax = SHELL_ONLY.exec(script)?.[0];
  if (syntax !== undefined) return syntax;
  const programs = script.split(' && ').map((command) => command.split(' ')[0] ?? '');
  return programs.find((name) => !isEverywhere(name));
}

it.each(Object.entries(scripts))('npm run %s runs on Linux, macOS and Windows', (_, script) => {
  expect(problemIn(script)).toBeUndefined();
});

it.each([
  ['NODE_ENV=production node dist/server.js', 'NODE_ENV=production'],
  ['tsc && FOO=1 vitest', 'FOO=1'],
  ["oxfmt 'src'", "'"],
  ['rm -rf dist', 'rm'],
  ['tsc && cp -r views dist', 'cp'],
  ['tsc; vitest', ';'],
  ['node dist/server.js $PORT', '$'],
  ['vitest run test/*.test.ts', '*'],
  ['node a.js & node b.js', '&'],
])('%s would be found', (script, found) => {
  expect(problemIn(script)).toBe(found);
});

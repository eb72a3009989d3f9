// cmd runs the scripts of package.json on Windows and sh elsewhere: only their common syntax works.
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>;
};

// Quotes, variables, substitutions, globs, pipes, redirections, lists and jobs; both have &&.
const SHELL_ONLY = /[$%'`;|<>*?~^(){}\\]|(?<!&)&(?!&)/;

const isEverywhere = (name: string) =>
  ['node', 'npm'].includes(name) || existsSync(`node_modules/.bin/${name}`);

/** The part of a script that runs on one system only, if any. */
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
])('the check finds the fault in "%s"', (script, found) => {
  expect(problemIn(script)).toBe(found);
});

// `npm run defenses`: in a copy of the project, takes each defense of .github/SECURITY.md away, one at a
// time, and runs the test that its row names. A test that still passes proves nothing, and ends this with
// exit code 1. `npm run defenses -- cookie` tries the threats and defenses whose names hold that word.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DEFENSES, namePattern, type Defense } from '../test/docs/defenses.ts';

interface Outcome {
  passed: string[];
  /** Names and first lines of the failures. */
  failed: [name: string, reason: string][];
}

interface Report {
  testResults: {
    assertionResults: { status: string; fullName: string; failureMessages?: string[] }[];
  }[];
}

const LONGEST_RUN_MS = 600_000;
const word = process.argv.slice(2).join(' ').toLowerCase();
const chosen = Object.entries(DEFENSES)
  .flatMap(([threat, defenses]) => defenses.map((defense) => ({ ...defense, threat })))
  .filter(({ threat, name }) => `${threat} ${name}`.toLowerCase().includes(word));

const say = (line: string) => process.stdout.write(`${line}\n`);

/** The files that git knows or would add, and the installed packages. */
async function copyProject(): Promise<string> {
  // In this project: the compiler cannot name types behind a link that leads elsewhere.
  await mkdir('.data', { recursive: true });
  const folder = await mkdtemp(resolve('.data/defenses-'));
  const listed = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const files = execFileSync('git', listed, { encoding: 'utf8' }).split('\0');
  for (const file of files.filter((name) => existsSync(name))) await cp(file, join(folder, file));
  await symlink(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  return folder;
}

const firstLine = (messages: string[] = []) => messages[0]?.split('\n')[0] ?? '';

/** Runs the tests of one file whose full names match. */
async function runTests(folder: string, file: string, pattern: string): Promise<Outcome> {
  const report = join(folder, 'report.json');
  const suite = file.startsWith('test/operations/')
    ? 'vitest.operations.config.ts'
    : 'vitest.config.ts';
  const test = ['--config', suite, file, '-t', pattern, '--retry=0'];
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', ...test];
  const output = ['--reporter=json', `--outputFile=${report}`];
  const child = spawn(process.execPath, [...vitest, ...output], {
    cwd: folder,
    stdio: 'ignore',
    timeout: LONGEST_RUN_MS,
  });
  await once(child, 'exit');
  // A run that was cut leaves no report, or half of one.
  const { testResults } = await readFile(report, 'utf8')
    .then((text) => JSON.parse(text) as Report)
    .catch((): Report => ({ testResults: [] }));
  await rm(report, { force: true });
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  return {
    passed: tests.flatMap(({ status, fullName }) => (status === 'passed' ? [fullName] : [])),
    failed: tests.flatMap(({ status, fullName, failureMessages }) =>
      status === 'failed' ? [[fullName, firstLine(failureMessages)] as [string, string]] : [],
    ),
  };
}

/** Every named test passes as long as nothing is taken away; returns what does not. */
async function control(folder: string): Promise<string[]> {
  const titles = new Map<string, Set<string>>();
  for (const { test } of chosen)
    titles.set(test.file, (titles.get(test.file) ?? new Set()).add(test.title));
  const problems: string[] = [];
  for (const [file, named] of titles) {
    const patterns = [...named].map(namePattern);
    const { passed, failed } = await runTests(folder, file, patterns.join('|'));
    problems.push(...failed.map(([name, reason]) => `${file}: "${name}" fails: ${reason}`));
    const missing = [...named].filter((title) => {
      const pattern = new RegExp(namePattern(title));
      return ![...passed, ...failed.map(([name]) => name)].some((name) => pattern.test(name));
    });
    problems.push(...missing.map((title) => `${file}: no test "${title}" ran`));
  }
  return problems;
}

/** Takes the defense away and puts it back; returns whether the named test failed, and how. */
async function breakDefense(
  folder: string,
  defense: Defense,
): Promise<[isProven: boolean, what: string]> {
  const edits = [defense, ...(defense.also ?? [])];
  const originals = new Map<string, string>();
  for (const { file, find, replace } of edits) {
    const path = join(folder, file);
    const text = await readFile(path, 'utf8');
    if (!originals.has(path)) originals.set(path, text);
    await writeFile(path, text.split(find).join(replace));
  }
  const { file, title } = defense.test;
  const { passed, failed } = await runTests(folder, file, namePattern(title));
  for (const [path, text] of originals) await writeFile(path, text);
  const [name, reason] = failed[0] ?? [];
  if (name !== undefined) return [true, `"${name}": ${reason}`];
  // A file that cannot be loaded, or a setup that fails, proves nothing either.
  return [false, `${file} ${passed.length > 0 ? 'still passes' : 'did not run'} "${title}"`];
}

if (chosen.length === 0) throw new Error(`no defense has a name with "${word}"`);
const folder = await copyProject();
try {
  say(`${chosen.length} defenses, and first their tests with all of them in place`);
  const problems = await control(folder);
  for (const problem of problems) say(`CONTROL   ${problem}`);
  let survivors = 0;
  for (const defense of chosen) {
    const [isProven, what] = await breakDefense(folder, defense);
    if (!isProven) survivors += 1;
    say(`${isProven ? 'proven  ' : 'SURVIVES'}  ${defense.threat}: ${defense.name}`);
    say(`          ${what}`);
  }
  say(`${chosen.length - survivors} of ${chosen.length} defenses are proven`);
  process.exitCode = survivors + problems.length > 0 ? 1 : 0;
} finally {
  await rm(folder, { recursive: true, force: true });
}

// npm run bench [-- --quick] [-- --write]: measures, prints the goals, and saves the results as
// JSON and Markdown in bench/results; --write also updates docs/benchmark.md.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { measureApi } from './api.ts';
import { measureExpiry } from './expiry.ts';
import type { Results } from './goals.ts';
import { measureGrowth } from './growth.ts';
import { measurePages } from './pages.ts';
import { installPeers, peerVersions } from './peers.ts';
import { profileByPackage } from './profile.ts';
import { goalTable, pageTable, report } from './report.ts';
import { measureSignIns } from './sign-ins.ts';
import { measureStarts } from './starts.ts';
import { createWorld, PROJECT } from './world.ts';

const quick = process.argv.includes('--quick');
const plan = quick
  ? { rounds: 2, seconds: 1, signIns: 10, starts: 2, sizes: [5_000], expiries: 2 }
  : { rounds: 21, seconds: 1, signIns: 60, starts: 7, sizes: [100_000, 1_000_000], expiries: 5 };
// For measurements made once, not in rounds.
const SINGLE_RUN_S = quick ? 2 : 5;

const print = (text: string) => process.stdout.write(`${text}\n`);

async function main(): Promise<void> {
  const before = loadavg()[0] ?? 0;
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: PROJECT, stdio: 'inherit' });
  print('Installing the peers ...');
  const peersFolder = installPeers();
  const world = await createWorld(peersFolder);
  try {
    const results = await measure(world, peersFolder, before);
    // Shows whether the machine was otherwise busy: the benchmark itself is about three processes.
    results.machine.load += ` before, ${(loadavg()[0] ?? 0).toFixed(1)} after`;
    save(results);
    print(`\n${goalTable(results)}\n\n${pageTable(results)}`);
  } finally {
    await world.close();
  }
}

async function measure(
  world: Awaited<ReturnType<typeof createWorld>>,
  peersFolder: string,
  before: number,
): Promise<Results> {
  const { rounds, seconds } = plan;
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
    load: before.toFixed(1),
    quick,
  };
  print('1, 2. Pages ...');
  const pages = await measurePages(world, rounds, seconds);
  const profile = await profileByPackage(world, SINGLE_RUN_S);
  print('3. API ...');
  const api = await measureApi(world, rounds, seconds);
  print('4. Sign-ins ...');
  const signIns = await measureSignIns(world, plan.signIns);
  print('5. Starts ...');
  const starts = await measureStarts(world, plan.starts);
  print('7. Expiry ...');
  const expiry = await measureExpiry(world, plan.expiries);
  print('6. Many sessions ...');
  const growth = [
    ...(await measureGrowth(world, 'embedded', plan.sizes, SINGLE_RUN_S)),
    ...(await measureGrowth(world, 'redis', plan.sizes.slice(0, 1), SINGLE_RUN_S)),
  ];
  const versions = peerVersions(peersFolder);
  return { machine, versions, pages, profile, api, signIns, starts, growth, expiry };
}

function save(results: Results): void {
  const folder = join(PROJECT, 'bench/results');
  const name = `${results.machine.date}${quick ? '-quick' : ''}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(results, null, 2));
  writeFileSync(join(folder, `${name}.md`), report(results));
  if (process.argv.includes('--write'))
    writeFileSync(join(PROJECT, 'docs/benchmark.md'), report(results));
}

await main();

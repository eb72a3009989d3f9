// npm run bench: measures, prints the goals, and saves the results as JSON and Markdown in bench/results.
//   --quick            fewer and shorter rounds
//   --before <commit>  measures another version of this project in the same rounds
//   --only <part,...>  pages, api, sign-ins, starts, growth, expiry; without peers
//   --nodes            measures pages and the API on other versions of Node, too
//   --write            also updates docs/benchmark.md
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureApi, measureOwnApi } from './api.ts';
import { measureExpiry } from './expiry.ts';
import type { Results } from './goals.ts';
import { measureGrowth } from './growth.ts';
import { measureNodes } from './nodes.ts';
import { measurePages } from './pages.ts';
import { installPeers, peerVersions } from './peers.ts';
import { profileByPackage } from './profile.ts';
import { goalTable, pageTable, report } from './report.ts';
import { measureSignIns } from './sign-ins.ts';
import { measureStarts } from './starts.ts';
import { buildVersion } from './version.ts';
import { createWorld, PROJECT, type World } from './world.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    nodes: { type: 'boolean', default: false },
    before: { type: 'string' },
    only: { type: 'string' },
  },
});
const { quick } = options;
const plan = quick
  ? { signIns: 10, starts: 2, sizes: [4_000], expiries: 2 }
  : { signIns: 400, starts: 7, sizes: [4_000, 100_000], expiries: 5 };
const TURNS = { starts: quick ? 1 : 2, turns: 5, turnSeconds: 1, warmUpSeconds: 4 };
// For measurements made once, not in rounds.
const SINGLE_RUN_S = quick ? 4 : 6;

const print = (text: string) => process.stdout.write(`${text}\n`);
const parts = options.only?.split(',');
const isWanted = (part: string) => parts?.includes(part) ?? (part !== 'nodes' || options.nodes);

async function main(): Promise<void> {
  const load = (loadavg()[0] ?? 0).toFixed(1);
  execFileSync('npm', ['run', '--silent', 'build', '--', '--noCheck'], { cwd: PROJECT });
  print('Installing the peers ...');
  const peersFolder = installPeers();
  const before = options.before === undefined ? undefined : buildVersion(options.before);
  const world = await createWorld(peersFolder, process.execPath, before);
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
    load,
    pollMs: pollMilliseconds(),
    quick,
  };
  const results: Results = { machine, versions: peerVersions(peersFolder), before: options.before };
  try {
    for (const [part, measure] of Object.entries(PARTS)) {
      if (!isWanted(part)) continue;
      print(`${part} ...`);
      Object.assign(results, await measure(world));
      // What was measured stays, even if a later part fails.
      save(results);
    }
    // Shows whether the machine was otherwise busy: the benchmark itself is about three processes.
    machine.load += ` before, ${(loadavg()[0] ?? 0).toFixed(1)} after`;
    save(results);
    if (options.write) writeFileSync(join(PROJECT, 'docs/benchmark.md'), report(results));
    print(`\n${goalTable(results)}\n\n${pageTable(results)}`);
  } finally {
    await world.close();
    before?.remove();
  }
}

// A guest of a hypervisor halts an idle core. To wake the load generator there costs the server 20 µs per
// response, and more often the slower it is. Set this to 200000 (200 µs) before measuring, as root.
function pollMilliseconds(): number {
  const file = '/sys/module/haltpoll/parameters/guest_halt_poll_ns';
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) / 1e6 : 0;
}

const { sizes } = plan;
const PARTS: Record<string, (world: World) => Promise<Partial<Results>>> = {
  pages: async (world) => ({
    pages: await measurePages(world, TURNS, parts ? 'apache' : 'all'),
    profile: await profileByPackage(world, SINGLE_RUN_S),
  }),
  api: async (world) => ({
    api: await measureApi(world, TURNS, 'all'),
    ownApi: await measureOwnApi(world, { ...TURNS, starts: 2 * TURNS.starts }),
  }),
  'sign-ins': async (world) => ({ signIns: await measureSignIns(world, plan.signIns) }),
  starts: async (world) => ({ starts: await measureStarts(world, plan.starts) }),
  expiry: async (world) => ({ expiry: await measureExpiry(world, plan.expiries) }),
  growth: async (world) => ({
    growth: [
      ...(await measureGrowth(world, 'embedded', sizes, SINGLE_RUN_S)),
      ...(await measureGrowth(world, 'redis', sizes, SINGLE_RUN_S)),
    ],
  }),
  nodes: async ({ peersFolder }) => ({
    nodes: await measureNodes(peersFolder, TURNS),
  }),
};

function save(results: Results): void {
  const folder = join(PROJECT, 'bench/results');
  const name = `${results.machine.date}${quick ? '-quick' : ''}`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(results, null, 2));
  writeFileSync(join(folder, `${name}.md`), report(results));
}

await main();

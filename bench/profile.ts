// Where the CPU time of a page goes, by package.
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { signIn } from './accounts.ts';
import { profilePage } from './pages.ts';
import type { World } from './world.ts';

/** Profiles one more instance and returns each package's share of CPU time. */
export async function profileByPackage(world: World, seconds: number) {
  const folder = mkdtempSync(join(world.folder, 'profile-'));
  const server = await world.startOurs('profiled', [
    '--cpu-prof',
    `--cpu-prof-dir=${folder}`,
    '--cpu-prof-interval=500',
  ]);
  const { cookie } = await signIn(server.url);
  await profilePage(server, cookie, seconds * 2);
  await server.stop();
  const [file = ''] = readdirSync(folder);
  return sharesOf(JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile);
}

interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  samples: number[];
  timeDeltas: number[];
}

/** Each package's share of self time, largest first. */
function sharesOf({ nodes, samples, timeDeltas }: CpuProfile): [name: string, share: number][] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, packageOf(callFrame)]));
  const times = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const name = names.get(id) ?? '';
    if (name === 'idle') return;
    const time = timeDeltas[index] ?? 0;
    total += time;
    times.set(name, (times.get(name) ?? 0) + time);
  });
  return [...times]
    .map(([name, time]): [string, number] => [name, time / total])
    .toSorted((a, b) => b[1] - a[1]);
}

function packageOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string {
  if (functionName === '(idle)') return 'idle';
  const [, scoped] = /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(url) ?? [];
  if (scoped !== undefined) return scoped;
  if (url.includes('/dist/')) return `src/${/\/dist\/((?:demo\/)?[^./]+)/.exec(url)?.[1] ?? ''}`;
  if (url.startsWith('node:')) return 'node';
  return functionName === '(garbage collector)' ? 'garbage collector' : 'node (native), views';
}

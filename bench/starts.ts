// Goal 5: time from the start of the process to its first response, and its memory then.
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/support/app/app.ts';
import { spread, type Spread } from './load.ts';
import { startServer, type Server } from './processes.ts';
import { PROJECT, startPlain, type World } from './world.ts';

export interface StartRow {
  name: string;
  milliseconds: Spread;
  memory: Spread;
}

export async function measureStarts(world: World, times: number): Promise<StartRow[]> {
  const kinds: [name: string, start: () => Promise<Server>][] = [
    ['bare Express', () => startPlain(world, 'bare', 'bare.mjs')],
    ['empty Express app with the same packages', startEmpty],
    ['this project', () => world.startOurs('embedded')],
  ];
  const starts = kinds.map(() => ({ milliseconds: [] as number[], memory: [] as number[] }));
  for (let time = 0; time < times; time += 1) {
    for (const [index, [, start]] of kinds.entries()) {
      const server = await start();
      await delay(500);
      starts[index]?.milliseconds.push(server.startedInMs);
      starts[index]?.memory.push(server.memory());
      await server.stop();
    }
  }
  return kinds.map(([name], index) => ({
    name,
    milliseconds: spread(starts[index]?.milliseconds ?? []),
    memory: spread(starts[index]?.memory ?? []),
  }));
}

async function startEmpty(): Promise<Server> {
  return startServer('empty', {
    file: 'node',
    args: ['bench/empty.mjs'],
    cwd: PROJECT,
    env: { NODE_ENV: 'production' },
    port: await freePort(),
    readyPath: '/profile',
  });
}

// Servers that take turns, all in fresh processes: V8 frees memory of a process that waits, and two
// processes of the same code differ.
import { inTurn, type Sample } from './load.ts';
import type { Server } from './processes.ts';

/** How much is measured: each server is started `starts` times, and takes `turns` turns each time. */
export interface TurnPlan {
  starts: number;
  turns: number;
  turnSeconds: number;
  /** Until the code is compiled and the heap has its size. */
  warmUpSeconds: number;
}

/** A started server, and how to load it. */
export interface Entrant {
  server: Server;
  load(seconds: number): Promise<Sample>;
}

export interface Measured {
  name: string;
  samples: Sample[];
  memory: number;
}

/** Starts the servers and measures them turn by turn; returns each in the order given. */
export async function takeTurns(
  starts: (() => Promise<Entrant>)[],
  { turns, turnSeconds, warmUpSeconds }: TurnPlan,
): Promise<Measured[]> {
  const entrants: { entrant: Entrant; samples: Sample[] }[] = [];
  for (const start of starts) entrants.push({ entrant: await start(), samples: [] });
  for (const { entrant } of entrants) await entrant.load(warmUpSeconds);
  for (let turn = 0; turn < turns; turn += 1) {
    for (const { entrant, samples } of inTurn(entrants, turn))
      samples.push(await entrant.load(turnSeconds));
  }
  const measured = entrants.map(({ entrant: { server }, samples }) => {
    return { name: server.name, samples, memory: server.memory() };
  });
  for (const { entrant } of entrants) await entrant.server.stop();
  return measured;
}

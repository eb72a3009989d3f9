// Two instances under load while the server that holds their sessions is killed.
import { signInAt, startFleet, times, until } from './instances.ts';
import { machineNow } from '../clock/clock.ts';
import { slowest, underLoad, type TimedResponse } from '../browser/load.ts';
import type { Replicated } from '../store/replicated.ts';

export const MINUTES = 60_000;

export interface Failover {
  responses: TimedResponse[];
  /** Milliseconds from the kill to the new primary. */
  newPrimary: number;
  /** Milliseconds from the kill to a page with fresh tokens for every session. */
  pages: number;
  /** Milliseconds from the kill to the end of a sign-in, begun when the pages were back. */
  signIn: number;
  /** The slowest response with status 503, in milliseconds. */
  slowest503: number;
  /** Refreshes at AuthKit. */
  exchanges: number;
}

export const SESSIONS = 8;

/** The access tokens of all sessions are due while no server, or not every one, holds sessions. */
export async function killUnderLoad(redis: Replicated): Promise<Failover> {
  const fleet = await startFleet({ env: { REDIS_URL: redis.url } });
  try {
    const browsers = await Promise.all(times(SESSIONS, () => signInAt(fleet.url)));
    const { control } = fleet.authKit;
    let killedAt = 0;
    const since = () => Math.round(machineNow() - killedAt);
    let [newPrimary, pages, exchanges] = [0, 0, 0];
    const responses = await underLoad(browsers, `${fleet.url}/profile`, async () => {
      await redis.servers[0]?.kill();
      killedAt = machineNow();
      await fleet.pass(4.5 * MINUTES);
      control.reset();
      await redis.untilFailedOver();
      newPrimary = since();
      await until(() => control.requests().token >= SESSIONS, 30_000);
      pages = since();
    });
    exchanges = control.requests().token;
    // Each instance has to find the new primary for itself.
    const signsIn = () =>
      signInAt(fleet.url).then(
        () => true,
        () => false,
      );
    await until(signsIn, 30_000);
    const signIn = since();
    const slowest503 = Math.round(slowest(responses, 503));
    const figures = { newPrimary, pages, signIn, slowest503, exchanges };
    // For the table in docs/sessions.md.
    process.stdout.write(`${redis.url.split(':')[0]}: ${JSON.stringify(figures)}\n`);
    return { responses, ...figures };
  } finally {
    await fleet.close();
  }
}

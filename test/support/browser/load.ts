// Load by browsers that each request their page again as soon as they have a response.
import { machineNow } from '../clock/clock.ts';
import type { Browser } from './browser.ts';

export interface TimedResponse {
  status: number;
  /** From the request to the last byte. */
  ms: number;
  /** The path of a redirect. */
  location: string | undefined;
}

/** Runs `action` while the browsers send requests; resolves to all their responses. */
export async function underLoad(
  browsers: Browser[],
  url: string,
  action: () => Promise<void>,
): Promise<TimedResponse[]> {
  const responses: TimedResponse[] = [];
  const over = new AbortController();
  const clicking = browsers.map(async (browser) => {
    while (!over.signal.aborted) {
      const startedAt = machineNow();
      // A request without a response counts as status 0.
      const page = await browser.get(url).catch(() => undefined);
      const ms = machineNow() - startedAt;
      responses.push({ status: page?.status ?? 0, ms, location: page?.location?.pathname });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });
  try {
    await action();
  } finally {
    over.abort();
    await Promise.all(clicking);
  }
  return responses;
}

/** The longest time of the responses with this status, in milliseconds. */
export function slowest(responses: TimedResponse[], status: number): number {
  return Math.max(0, ...responses.filter((each) => each.status === status).map(({ ms }) => ms));
}

// Generates load with wrk, in another process, over 32 keep-alive connections.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Server } from './processes.ts';

const CONNECTIONS = 32;
const run = promisify(execFile);

export interface Sample {
  requestsPerSecond: number;
  /** CPU time of the server per request, in microseconds. */
  cpuPerRequest: number;
  requests: number;
}

export interface Load {
  path: string;
  headers?: Record<string, string>;
  /** A Lua script for wrk, if requests differ. */
  script?: string;
}

/** Loads the server for `seconds`. @throws Error if it responds with anything but 200 */
export async function load(server: Server, what: Load, seconds: number): Promise<Sample> {
  const { path, headers = {}, script } = what;
  const args = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--timeout', '10s'];
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  if (script !== undefined) args.push('-s', script);
  const before = server.cpu();
  const { stdout } = await run('wrk', [...args, server.url + path]);
  const cpu = server.cpu() - before;
  if (/Non-2xx|Socket errors/.test(stdout)) throw new Error(`${server.name}: ${stdout}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
  return { requests, requestsPerSecond: perSecond, cpuPerRequest: cpu / requests };
}

/** The headers of a browser's navigation. */
export const asBrowser = (cookie: string) => ({
  Accept: 'text/html,application/xhtml+xml',
  'Sec-Fetch-Mode': 'navigate',
  ...(cookie !== '' && { Cookie: cookie }),
});

export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** Median, minimum and maximum. */
export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const last = sorted.length - 1;
  const median = (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2;
  return { median, low: at(0), high: at(last) };
}

// Generates load with wrk, in another process, over 32 keep-alive connections.
import { execFile } from 'node:child_process';
import { request, type Agent } from 'node:http';
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
  await expectOk(server, path, headers, script);
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

/** wrk takes a redirect for a success. A script sends its own headers, which it then has to check. */
async function expectOk(
  { name, url }: Server,
  path: string,
  headers: Record<string, string>,
  script?: string,
): Promise<void> {
  if (script !== undefined) return;
  const status = await statusOf(url + path, headers);
  if (status !== 200) throw new Error(`${name}: ${status} at ${path}`);
}

/** The status of a response, over a connection of its own: a kept one may have been closed meanwhile. */
export const statusOf = (
  url: string,
  headers: Record<string, string>,
  agent: Agent | false = false,
) =>
  new Promise<number | undefined>((resolve, reject) => {
    const outgoing = request(url, { agent, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    outgoing.once('error', reject).end();
  });

/** The headers of a browser's navigation. */
export const asBrowser = (cookie: string) => ({
  Accept: 'text/html,application/xhtml+xml',
  'Sec-Fetch-Mode': 'navigate',
  ...(cookie !== '' && { Cookie: cookie }),
});

/** Half of the values are from `low` to `high`: how far noise reaches. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** The median and the quartiles. */
export function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const quantile = (share: number) => {
    const at = share * (sorted.length - 1);
    const [below = Number.NaN, above = below] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
    return below + (above - below) * (at % 1);
  };
  return { median: quantile(0.5), low: quantile(0.25), high: quantile(0.75) };
}

/** The ratio of each value to that of `references` in the same round. */
export const ratios = (values: number[], references: number[]): Spread =>
  spread(values.map((value, round) => value / (references[round] ?? Number.NaN)));

/** In another order each round: what ran right before a server may slow it down. */
export const inTurn = <T>(all: readonly T[], round: number): T[] => [
  ...all.slice(round % all.length),
  ...all.slice(0, round % all.length),
];

export const speeds = (of: Sample[] = []) => of.map((sample) => sample.requestsPerSecond);
export const costs = (of: Sample[] = []) => of.map((sample) => sample.cpuPerRequest);

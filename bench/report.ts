// The results as Markdown: the goals, then one table per measurement.
import { goals, type Results } from './goals.ts';
import type { Spread } from './load.ts';

const MB = 1024 * 1024;
const number = (value: number, digits = 0) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
const range = ({ median, low, high }: Spread, digits = 2) =>
  `${number(median, digits)} (${number(low, digits)}–${number(high, digits)})`;

const line = (cells: string[]) => `| ${cells.join(' | ')} |`;

function table(head: string[], rows: string[][]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

export function goalTable(results: Results): string {
  const rows = goals(results).map(({ goal, wanted, measured, met }) => [
    goal,
    wanted,
    measured,
    met ? 'met' : '**not met**',
  ]);
  return table(['goal', 'wanted', 'measured', ''], rows);
}

export function pageTable({ pages }: Results): string {
  const rows = pages.rows
    .toSorted((a, b) => b.ratio.median - a.ratio.median)
    .map(({ name, ratio, cpu, memory }) => [
      name,
      range(ratio),
      range(cpu, 0),
      number(memory / MB),
    ]);
  return table(['GET /profile, signed in', 'req/s ÷ bare', 'CPU µs a request', 'MB'], rows);
}

/** The whole report. */
export function report(results: Results): string {
  const { machine, versions, pages, api, signIns, starts, growth, expiry } = results;
  const { cpu, cores, node, date, load, quick } = machine;
  const tools = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `# Benchmark

Written by \`npm run bench\`${quick ? ' in its quick form' : ''}; run it yourself.
${date}, ${cores} cores of ${cpu}, Node ${node}, load average ${load}. One process per
server, 32 connections, production mode, the same page of ${number(pages.bytes)} bytes, everybody signed in
at the bundled local AuthKit. Medians of interleaved rounds (least–greatest); each ratio is to the bare
app of the same round. The peers send the finished page, and so do this project's rows "as bytes"; its other
two render it each time.

## The goals

${goalTable(results)}

## A protected page

${pageTable(results)}

Redis was asked ${number(pages.redis.commandsPerRequest, 2)} commands per request.
${pages.missing.map((what) => `\nNot measured: ${what}\n`).join('')}
Where the CPU time of this project's page goes:

${table(
  ['package', 'share'],
  results.profile.slice(0, 10).map(([name, share]) => [name, `${number(share * 100, 1)} %`]),
)}

## A bearer token

${table(
  ['route', 'req/s ÷ no guard', 'CPU µs a request'],
  api.map(({ name, ratio, cpu: time }) => [name, range(ratio), range(time, 0)]),
)}

## A sign-in

${table(
  ['', 'milliseconds'],
  [
    ['this project', range(signIns.ours, 1)],
    ['a bare client, which checks and keeps nothing', range(signIns.bareProtocol, 1)],
    ['ratio, sign-in by sign-in', range(signIns.ratio)],
  ],
)}

## A start

${table(
  ['', 'ms to the first answer', 'MB'],
  starts.map(({ name, milliseconds, memory }) => [
    name,
    range(milliseconds, 0),
    number(memory.median / MB),
  ]),
)}

## Many sessions

${table(
  ['store', 'sessions', 'CPU µs a page', 'bytes a session: process', 'store'],
  growth.map((row) => [
    row.store,
    number(row.sessions),
    number(row.cpuPerRequest),
    row.sessions > 100 ? number(row.memoryPerSession) : '',
    row.sessions > 100 ? number(row.storePerSession) : '',
  ]),
)}

## ${expiry.requests} requests when the access token is due

One exchange alone with its page takes ${range(expiry.alone, 0)} ms; the slowest of ${expiry.requests} at once
${range(expiry.slowest, 0)} ms, with ${number(expiry.exchanges, 1)} exchanges and ${expiry.failed} failures.

## Versions

${tools.join(', ')}.
`;
}

// Renders the results as Markdown: the goals, then one table per measurement.
import type { ApiRow, OwnApi } from './api.ts';
import type { Expiry } from './expiry.ts';
import { goals, type Results } from './goals.ts';
import type { GrowthRow } from './growth.ts';
import type { Spread } from './load.ts';
import type { NodeRow } from './nodes.ts';
import type { PageRow, Pages } from './pages.ts';
import type { SignIns } from './sign-ins.ts';
import type { StartRow } from './starts.ts';

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

export const pageTable = ({ pages }: Results) => (pages ? pageRows(pages.rows) : '');

function pageRows(all: PageRow[]): string {
  const rows = all
    .toSorted((a, b) => b.ratio.median - a.ratio.median)
    .map(({ name, ratio, cpuRatio, cpu, memory }) => [
      name,
      range(ratio),
      range(cpuRatio),
      range(cpu, 0),
      number(memory / MB),
    ]);
  const head = ['GET /profile, signed in', 'requests ÷ bare', 'CPU: bare ÷ this', 'CPU µs', 'MB'];
  return table(head, rows);
}

const apiTable = (rows: ApiRow[]) =>
  table(
    [
      'guard',
      'requests ÷ none',
      'CPU: none ÷ this',
      'requests ÷ jose',
      'CPU: jose ÷ this',
      'requests ÷ digest',
      'CPU µs',
    ],
    rows.map(({ name, ratio, cpuRatio, toJose, cpuToJose, toDigest, cpu }) => [
      name,
      range(ratio),
      range(cpuRatio),
      range(toJose),
      range(cpuToJose),
      range(toDigest),
      range(cpu, 0),
    ]),
  );

const ownApiText = ({ ratio, cpuRatio }: OwnApi) => `
GET /api/me of this project, its token seen before, responds to ${range(ratio)} of the requests that it
responds to without the check; CPU: without ÷ with it ${range(cpuRatio)}.
`;

function pageSection(pages: Pages, profile: Results['profile'] = []): string {
  const { rows, redis, missing } = pages;
  return `## A protected page

${pageRows(rows)}

Redis ran ${number(redis.commandsPerRequest, 2)} commands per request.
${missing.map((what) => `\nNot measured: ${what}\n`).join('')}
The CPU time of this project's page, by package:

${table(
  ['package', 'share'],
  profile.slice(0, 10).map(([name, share]) => [name, `${number(share * 100, 1)} %`]),
)}
`;
}

const signInSection = ({ rows }: SignIns) => `## A sign-in

${table(
  ['', 'milliseconds', '÷ documented set-up', '÷ bare client, which checks and keeps nothing'],
  rows.map(({ name, time, toDocumented, toBareProtocol }) => [
    name,
    range(time, 1),
    range(toDocumented),
    range(toBareProtocol),
  ]),
)}
`;

const startSection = (starts: StartRow[]) => `## A start

${table(
  ['', 'ms to the first answer', 'MB'],
  starts.map(({ name, milliseconds, memory }) => [
    name,
    range(milliseconds, 0),
    number(memory.median / MB),
  ]),
)}
`;

const growthSection = (growth: GrowthRow[]) => `## Many signed-in users

${table(
  [
    'store',
    'users',
    'CPU µs a page',
    'bytes a user: resident',
    'after a collection',
    'in the store',
  ],
  growth.map((row) => [
    row.store,
    number(row.sessions),
    number(row.cpuPerRequest),
    ...[row.memoryPerSession, row.retainedPerSession, row.storePerSession].map((bytes) =>
      row.sessions > 100 ? number(bytes) : '',
    ),
  ]),
)}
`;

const expirySection = (expiry: Expiry) => `## ${expiry.requests} requests when a refresh is due

A single page request that refreshes takes ${range(expiry.alone, 0)} ms; the slowest of ${expiry.requests} concurrent ones takes
${range(expiry.slowest, 0)} ms, with ${number(expiry.exchanges, 1)} refreshes and ${expiry.failed} failures.
`;

const NODE_HEAD = [
  'Node',
  'bare, on our server',
  'page ÷ bare, embedded',
  'CPU',
  'page ÷ bare, Redis',
  'CPU',
  'API, seen ÷ no guard',
  'new ÷ no guard',
];

function nodeSection(nodes: NodeRow[]): string {
  const server = 'bare Express, on the server of this project';
  const ours = ['this project, embedded', 'this project, redis'];
  const guards = ['this project, a token seen before', 'this project, a new token'];
  const rows = nodes.map(({ version, pages, api }) => [
    version,
    ...pages.filter(({ name }) => name === server).map(({ cpuRatio }) => range(cpuRatio)),
    ...ours.flatMap((name) => {
      const row = pages.find((one) => one.name === name);
      return row ? [range(row.ratio), range(row.cpuRatio)] : ['', ''];
    }),
    ...guards.map((name) => {
      const row = api.find((one) => one.name === name);
      return row ? range(row.ratio) : '';
    }),
  ]);
  return `## On other versions of Node

Each ratio is to bare Express on the same Node: bare Express on the server of this project (CPU), then
pages of this project and its API.

${table(NODE_HEAD, rows)}
`;
}

/** The complete report. */
export function report(results: Results): string {
  const { machine, versions, before, pages, api, ownApi, signIns, starts, growth, expiry, nodes } =
    results;
  const { cpu, cores, node, date, load, pollMs, quick } = machine;
  const given = [quick && '--quick', before !== undefined && `--before ${before}`];
  const flags = ['', ...given.filter((flag) => flag !== false)].join(' ').replace(' ', ' -- ');
  const tools = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const sections = [
    pages && pageSection(pages, results.profile),
    api && `## A bearer token\n\n${apiTable(api)}\n${ownApi ? ownApiText(ownApi) : ''}`,
    signIns && signInSection(signIns),
    starts && startSection(starts),
    growth && growthSection(growth),
    expiry && expirySection(expiry),
    nodes && nodeSection(nodes),
  ].filter((text) => text !== undefined);
  return `# Benchmark

This page shows what sign-in costs: this project beside other sign-in software that serves the same
page, and beside bare Express, which serves it without a session.
Generated by \`npm run bench${flags}\`; run it on your own machine to compare.
${date}, ${cores} cores of ${cpu}, Node ${node}, load average ${load}. One process per
server, production mode, 32 connections.${
    pollMs > 0
      ? ` An idle core polls for ${number(pollMs, 1)} ms before it halts
(guest_halt_poll_ns), or else waking the load generator costs a server more than a bearer guard does.`
      : ''
  }${
    pages
      ? ` Every server sends the same page of ${number(pages.bytes)} bytes to a
user signed in at the bundled local AuthKit.`
      : ''
  } Values are medians of interleaved rounds; half of the rounds are within
the parentheses. A page takes turns with bare Express, and a guard with a route without one, with jose
alone and with a digest alone, all in fresh processes: each ratio is within one round. The peers
send the finished page, and so do the rows "as bytes"; the other rows of this project render the page for
each request.${
    before === undefined
      ? ''
      : ` ${before} is an
earlier version of this project.`
  }

## The goals

What was done for speed, and what was not: \`docs/decisions/0010-what-a-page-costs.md\`. These are the
figures of Node ${node}${nodes ? '; [other versions](#on-other-versions-of-node) differ' : ''}.

${goalTable(results)}

${sections.join('\n')}
## Versions

${tools.join(', ')}.
`;
}

// A server under test, in a process of its own, so that its CPU time and memory can be measured.
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { usedMemoryOf } from '../test/support/machine/memory.ts';

export interface Server {
  name: string;
  url: string;
  /** From the start of the process to the first response. */
  startedInMs: number;
  /** CPU time used so far by the process and its children, in microseconds. */
  cpu(): number;
  /** Resident memory of the process and its children, in bytes. */
  memory(): number;
  /** Bytes that its objects and buffers take after a collection; only if started with REPORTS_MEMORY. */
  retained(): Promise<number>;
  stop(): Promise<void>;
}

/** Arguments of node for a server whose `retained` is asked. */
export const REPORTS_MEMORY = ['--import', 'tsx', '--import', './test/support/machine/memory.ts'];

export interface Command {
  file: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  port: number;
  /** The server is up once this path returns a status below 500. */
  readyPath: string;
}

const TICK_US = 10_000;
const running = new Set<ChildProcess>();
// In files: reading a log would take time from the AuthKit in this process.
const outputs = mkdtempSync(join(tmpdir(), 'bench-output-'));
let count = 0;
process.once('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  rmSync(outputs, { recursive: true, force: true });
});

/** Starts the server and waits until it responds. @throws Error with its output if it does not */
export async function startServer(name: string, command: Command): Promise<Server> {
  const { file, args, cwd, port } = command;
  const startedAt = performance.now();
  const env = { PATH: process.env['PATH'] ?? '', ...command.env, PORT: String(port) };
  const reports = args.includes('tsx') ? { REPORT_MEMORY: '1' } : {};
  const outputFile = join(outputs, String((count += 1)));
  const output = openSync(outputFile, 'a');
  const stdio: StdioOptions = ['ignore', output, output, 'ipc'];
  const child = spawn(file, args, { cwd, env: { ...env, ...reports }, stdio });
  closeSync(output);
  running.add(child);
  const url = `http://localhost:${port}`;
  while (!(await isUp(port, command.readyPath))) {
    if (child.exitCode !== null || performance.now() - startedAt > 30_000) {
      throw new Error(`${name} did not start: ${readFileSync(outputFile, 'utf8').slice(-2_000)}`);
    }
    await delay(2);
  }
  const pid = child.pid ?? 0;
  return {
    name,
    url,
    startedInMs: performance.now() - startedAt,
    cpu: () => sum(pid, (member) => cpuTicks(member) * TICK_US),
    memory: () => sum(pid, residentBytes),
    retained: () => usedMemoryOf(child),
    async stop() {
      running.delete(child);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

function isUp(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ port, path, agent: false, host: 'localhost' }, (response) => {
      response.resume();
      resolve((response.statusCode ?? 500) < 500);
    });
    probe.on('error', () => resolve(false)).end();
  });
}

const stat = (pid: number) => {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(/\) (.*)/s);
  return rest.split(' ');
};
const cpuTicks = (pid: number) => Number(stat(pid)[11]) + Number(stat(pid)[12]);

function residentBytes(pid: number): number {
  const [, kB] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kB ?? 0) * 1024;
}

/** Sums over the process and its children, since Apache serves from child processes. */
function sum(pid: number, measure: (pid: number) => number): number {
  const children = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((entry) => isChild(entry, pid));
  return [pid, ...children].reduce((total, member) => total + measure(member), 0);
}

function isChild(pid: number, parent: number): boolean {
  try {
    return stat(pid)[1] === String(parent);
  } catch {
    return false;
  }
}

// A server under measurement: its own process, so that its CPU time and memory are its own.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Server {
  name: string;
  url: string;
  /** From the start of the process to the first answer. */
  startedInMs: number;
  /** CPU time so far of the process and its children, in microseconds. */
  cpu(): number;
  /** Resident memory of the process and its children, in bytes. */
  memory(): number;
  stop(): Promise<void>;
}

export interface Command {
  file: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  port: number;
  /** Any answer below 500 from here says that the server is up. */
  readyPath: string;
}

const TICK_US = 10_000;
const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Starts the server and waits until it answers. @throws Error with its output if it never does */
export async function startServer(name: string, command: Command): Promise<Server> {
  const { file, args, cwd, port } = command;
  const startedAt = performance.now();
  const env = { PATH: process.env['PATH'] ?? '', ...command.env, PORT: String(port) };
  const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => (output = `${output}${String(chunk)}`.slice(-2_000)));
  }
  const url = `http://localhost:${port}`;
  while (!(await isUp(port, command.readyPath))) {
    if (child.exitCode !== null || performance.now() - startedAt > 30_000) {
      throw new Error(`${name} did not start: ${output}`);
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
    const asked = request({ port, path, agent: false, host: 'localhost' }, (answer) => {
      answer.resume();
      resolve((answer.statusCode ?? 500) < 500);
    });
    asked.on('error', () => resolve(false)).end();
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

/** Over the process and its children: Apache answers from those. */
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

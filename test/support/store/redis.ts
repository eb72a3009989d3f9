// A real redis-server for a test, on a free port of 127.0.0.1.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../machine/free-port.ts';
import { partPath } from '../machine/parts.ts';

export interface TestRedis {
  url: string;
  port: number;
  /** Where the servers of a cluster talk to each other. */
  busPort: number;
  /** Freezes the server (SIGSTOP): connections stay open without a reply. */
  pause(): void;
  resume(): void;
  /** Ends the server; `start` brings it back on the same port (with its data if `persist`). */
  stop(): Promise<void>;
  /** Ends the server without warning (SIGKILL). */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Sends one inline command, such as `INFO memory`; resolves to the raw reply. */
  command(line: string): Promise<string>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface RedisOptions {
  port?: number;
  /** The server's program; default: redis-server. */
  program?: string;
  /** What was written survives the end of the process; a busy disk delays no command. */
  persist?: boolean;
  args?: string[];
  /** Lines of a Sentinel's configuration; the server is then a Sentinel. */
  sentinel?: string[];
}

export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const port = options.port ?? (await freePort());
  const busPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'redis-'));
  const persistence = options.persist ? ['yes', '--appendfsync', 'no'] : ['no'];
  const log = join(folder, 'server.log');
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  // Redis' default, 10,000 above the port, is in the range of the system's own choice.
  args.push('--cluster-port', `${busPort}`, '--logfile', log);
  args.push('--appendonly', ...persistence, ...(options.args ?? []));
  if (options.sentinel) {
    const file = join(folder, 'sentinel.conf');
    writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', ...options.sentinel, ''].join('\n'));
    args.splice(0, Infinity, file, '--sentinel');
  }
  let server: ChildProcess;

  const start = async () => {
    server = spawn(options.program ?? partPath('redis-server'), args, { stdio: 'ignore' });
    await untilReady(server, port, log);
  };
  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill('SIGCONT');
    server.kill(signal);
    await exited;
  };
  const stop = () => end('SIGTERM');
  // An interrupted test run must not leave the server behind.
  const killNow = () => void server.kill('SIGKILL');
  process.once('exit', killNow);

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    busPort,
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    stop,
    kill: () => end('SIGKILL'),
    start,
    command: (line) => send(port, line),
    flush: async () => void (await send(port, 'FLUSHALL')),
    close: async () => {
      process.off('exit', killNow);
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(server: ChildProcess, port: number, log: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    if (server.exitCode !== null) {
      const why = existsSync(log) ? readFileSync(log, 'utf8').slice(-500) : '';
      throw new Error(`redis-server ended with ${server.exitCode}\n${why}`);
    }
    const reply = await send(port, 'PING').catch(() => '');
    if (reply.startsWith('+PONG')) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('redis-server did not reply within 10 s');
}

// QUIT marks the end of the reply, and closes the connection. A Sentinel does not know it.
const END = /(?:\+OK|-ERR unknown command 'QUIT'[^\n]*)\r\n$/;

/** The reply to one command. */
async function send(port: number, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8').setTimeout(5_000);
  socket.on('timeout', () => socket.destroy(new Error('redis-server did not reply in 5 s')));
  socket.write(`${line}\r\nQUIT\r\n`);
  let reply = '';
  for await (const chunk of socket) {
    reply += String(chunk);
    if (reply.includes("unknown command 'QUIT'") && END.test(reply)) break;
  }
  return reply.replace(END, '');
}

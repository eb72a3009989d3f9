// A real PostgreSQL server for a test, on a free port of 127.0.0.1.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { freePort } from '../machine/free-port.ts';
import { partPath } from '../machine/parts.ts';

export interface TestPostgres {
  url: string;
  port: number;
  /** Runs SQL as the superuser; resolves to the rows of the last statement. */
  sql(text: string): Promise<Record<string, unknown>[]>;
  /** Freezes the server and its processes (SIGSTOP): connections stay open without a reply. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the server and all connections; `start` brings it back with its data, if it was stopped. */
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Starts a hot standby that follows this server. */
  startStandby(): Promise<TestPostgres>;
  /** Makes a standby the primary. */
  promote(): Promise<void>;
  /** Deletes all rows of all tables. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

// The server refuses to run as root.
export const USER = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const QUICK = ['fsync=off', 'full_page_writes=off', 'shared_buffers=16MB'];

const program = (name: string) => join(dirname(realpathSync(partPath('Postgres'))), name);

function runProgram(name: string, args: string[], cwd: string): void {
  execFileSync(program(name), args, { ...USER, cwd, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A server whose folder `fill` fills; `settings` are lines such as `max_connections=20`. */
async function startIn(
  fill: (data: string, folder: string) => void,
  settings: string[],
): Promise<TestPostgres> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'));
  if (USER.uid !== undefined) chownSync(folder, USER.uid, USER.gid);
  chmodSync(folder, 0o700);
  const data = join(folder, 'data');
  fill(data, folder);
  const own = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', `port=${port}`];
  const args = ['-D', data, ...[...QUICK, ...own, ...settings].flatMap((line) => ['-c', line])];
  const url = `postgres://app@127.0.0.1:${port}/postgres`;
  let server: ChildProcess | undefined;

  let frozen: number[] = [];
  const pause = async () => {
    const client = new Client(url);
    client.on('error', () => undefined);
    await client.connect();
    // Each connection has a process of its own; from now on, no new one begins.
    server?.kill('SIGSTOP');
    const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity');
    frozen = rows.map(({ pid }) => pid);
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    void client.end();
  };
  const resume = () => {
    for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT');
    server?.kill('SIGCONT');
  };
  const start = async () => {
    if (server) return;
    server = spawn(program('postgres'), args, { ...USER, cwd: folder, stdio: 'ignore' });
    await untilReady(server, url);
  };
  const stop = async () => {
    if (!server) return;
    const exited = once(server, 'exit');
    resume();
    // Fast shutdown: it ends all connections.
    server.kill('SIGINT');
    await exited;
    server = undefined;
  };
  // An interrupted test run must not leave the server behind.
  const killNow = () => void server?.kill('SIGKILL');
  process.once('exit', killNow);

  await start();
  return {
    url,
    port,
    sql: (text) => runSql(url, text),
    pause,
    resume,
    stop,
    start,
    startStandby: () => startIn((to, cwd) => copyCluster(url, to, cwd), settings),
    promote: async () => void (await runSql(url, 'SELECT pg_promote()')),
    flush: async () => void (await runSql(url, TRUNCATE_ALL)),
    close: async () => {
      process.off('exit', killNow);
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A user called guarded needs a password. */
const ACCESS = [
  'host all guarded all scram-sha-256',
  'host all all all trust',
  'host replication all all trust',
  '',
];

export function startPostgres(settings: string[] = []): Promise<TestPostgres> {
  const options = ['--username=app', '--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync'];
  const fill = (data: string, cwd: string) => {
    runProgram('initdb', ['-D', data, ...options], cwd);
    writeFileSync(join(data, 'pg_hba.conf'), ACCESS.join('\n'));
  };
  return startIn(fill, settings);
}

function copyCluster(url: string, to: string, cwd: string): void {
  const args = ['-D', to, '-d', url, '--checkpoint=fast', '--write-recovery-conf', '--no-sync'];
  runProgram('pg_basebackup', args, cwd);
}

const TRUNCATE_ALL = `
  DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
      EXECUTE format('TRUNCATE %I', name);
    END LOOP;
  END $$`;

async function runSql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

async function untilReady(server: ChildProcess, url: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`);
    if (await runSql(url, 'SELECT 1').catch(() => undefined)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('postgres did not accept connections within 20 s');
}

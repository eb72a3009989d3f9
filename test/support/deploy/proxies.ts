// Real nginx and Caddy with the files of deploy/, in which only names, addresses and paths are
// replaced.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificateFor } from '../machine/certificate.ts';
import { partPath } from '../machine/parts.ts';

export interface ProxySetup {
  /** The public URL; its port is the TLS port. */
  baseUrl: URL;
  httpPort: number;
  /** Ports of the two instances. */
  instances: [number, number];
  /** Changes the file of deploy/ for a test. */
  edit?: (text: string) => string;
}

export interface Proxy {
  /** The CA certificate for a test to trust. */
  ca: string;
  /** The output so far, for the message of a failed test. */
  output(): string;
  close(): Promise<void>;
}

const STARTERS = { nginx: nginxFiles, Caddy: caddyFiles };
export type ProxyName = keyof typeof STARTERS;

/** Starts the proxy with a throwaway certificate; resolves when it accepts connections. */
export async function startProxy(name: ProxyName, setup: ProxySetup): Promise<Proxy> {
  const folder = await mkdtemp(join(tmpdir(), 'proxy-'));
  // nginx that is started as root runs its workers as another user.
  await chmod(folder, 0o755);
  const ca = await writeCertificate(folder, setup.baseUrl.hostname);
  const { command, args, files } = await STARTERS[name](folder, setup);
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text);
  const { PATH = '' } = process.env;
  const env = { PATH, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...env, BASE_URL: setup.baseUrl.origin },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  // An interrupted test run must not leave the server behind.
  const killNow = () => void child.kill('SIGKILL');
  process.once('exit', killNow);
  await accepts(child, Number(setup.baseUrl.port), () => output);
  return {
    ca,
    output: () => output,
    async close() {
      process.off('exit', killNow);
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function writeCertificate(folder: string, hostname: string): Promise<string> {
  const { cert, key } = certificateFor(hostname);
  await writeFile(join(folder, 'fullchain.pem'), cert);
  await writeFile(join(folder, 'privkey.pem'), key);
  return cert;
}

async function nginxFiles(folder: string, { baseUrl, httpPort, ...changes }: ProxySetup) {
  const text = await readFile('deploy/nginx.conf', 'utf8');
  const site = adapted(text, changes)
    .replaceAll('https://forum.example.com', baseUrl.origin)
    .replaceAll('forum.example.com', baseUrl.hostname)
    .replaceAll('/etc/nginx/tls', folder)
    .replace('listen 80;', `listen ${httpPort};`)
    .replace('listen 443 ssl;', `listen ${baseUrl.port} ssl;`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const main = `daemon off; pid ${folder}/pid; error_log stderr; events {}
    http { access_log off; ${temporary.join(' ')} include ${folder}/site.conf; }`;
  return {
    command: partPath('nginx'),
    args: ['-p', folder, '-e', 'stderr', '-c', join(folder, 'main.conf')],
    files: { 'site.conf': site, 'main.conf': main },
  };
}

async function caddyFiles(folder: string, { httpPort, ...changes }: ProxySetup) {
  const text = await readFile('deploy/Caddyfile', 'utf8');
  const site = adapted(text, changes)
    .replace('# tls /etc/caddy', 'tls /etc/caddy')
    .replaceAll('/etc/caddy', folder);
  // No admin endpoint, and no certificate in the machine's trust store.
  const own = ['admin off', 'skip_install_trust', `http_port ${httpPort}`];
  return {
    command: partPath('caddy'),
    args: ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')],
    files: { Caddyfile: `{\n\t${own.join('\n\t')}\n}\n${site}` },
  };
}

type Changes = Pick<ProxySetup, 'instances' | 'edit'>;

function adapted(text: string, { instances: [first, second], edit = (same) => same }: Changes) {
  return edit(text)
    .replace('app-1:3000', `127.0.0.1:${first}`)
    .replace('app-2:3000', `127.0.0.1:${second}`);
}

async function accepts(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) break;
    const socket = connect(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill('SIGKILL');
  throw new Error(`the proxy does not accept connections: ${output()}`);
}

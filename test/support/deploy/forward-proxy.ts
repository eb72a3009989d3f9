// An outgoing proxy as companies run them: it opens tunnels (CONNECT), to one host with TLS inside.
// No name server knows that host, so what arrives there came through the proxy.
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { writeFile } from 'node:fs/promises';
import { certificateFor } from '../machine/certificate.ts';

/** The host beyond the proxy. */
export const BEYOND = 'authkit.test';

export interface ForwardProxy {
  port: number;
  /** With a user and a password that have to be decoded. */
  url: string;
  /** The target and the credentials of each CONNECT. */
  tunnels: { target: string; credentials: string }[];
  /** What it does with a CONNECT: opens a tunnel, refuses with a status, is silent, or hangs up. */
  mode: 'open' | number | 'silent' | 'hangs up' | 'speaks no HTTP';
  close(): void;
}

export const PASSWORD = 'p@ss/word-of-the-proxy';
const USER = 'us:er';

/** Starts one that leads `https://authkit.test` to this http server on loopback. */
export async function startForwardProxy(address: string, caFile?: string): Promise<ForwardProxy> {
  const { cert, key } = certificateFor(BEYOND);
  if (caFile !== undefined) await writeFile(caFile, cert);
  const sockets = new Set<Socket>();
  const join = (one: Socket, port: number) => {
    const other = connect(port, '127.0.0.1');
    for (const socket of [one, other]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => [one, other].map((s) => s.destroy()));
    }
    one.pipe(other).pipe(one);
  };
  const beyond = createTlsServer({ key, cert }, (socket) => {
    join(socket, Number(new URL(address).port));
  });
  const server = createServer((_req, res) => res.writeHead(400).end());
  const [port, beyondPort] = [await portOf(server), await portOf(beyond)];
  const proxy: ForwardProxy = {
    port,
    url: `http://${encodeURIComponent(USER)}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`,
    tunnels: [],
    mode: 'open',
    close() {
      for (const each of [server, beyond]) each.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  server.on('connect', (req, socket: Socket) => {
    sockets.add(socket.on('error', () => undefined));
    const [, encoded = ''] = req.headers['proxy-authorization']?.split(' ') ?? [];
    const credentials = Buffer.from(encoded, 'base64').toString();
    proxy.tunnels.push({ target: req.url ?? '', credentials });
    const { mode } = proxy;
    if (mode === 'hangs up') socket.destroy();
    else if (mode === 'speaks no HTTP') socket.end('220 smtp ready\r\n');
    else if (mode === 'open' && req.url === `${BEYOND}:443`) {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      join(socket, beyondPort);
    } else if (mode !== 'silent') {
      socket.end(`HTTP/1.1 ${mode === 'open' ? 502 : mode} No\r\n\r\n`);
    }
  });
  return proxy;
}

export const CREDENTIALS = `${USER}:${PASSWORD}`;

async function portOf(server: Server | NetServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

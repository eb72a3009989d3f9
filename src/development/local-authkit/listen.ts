// Listens on both loopback addresses, because `localhost` may resolve to either.

import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function listenOn(listener: RequestListener, port: number, host: string): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host }, resolve);
  });
  return server;
}

async function listenOnBoth(listener: RequestListener, port: number): Promise<Server[]> {
  const first = await listenOn(listener, port, '127.0.0.1');
  try {
    return [first, await listenOn(listener, portOf([first]), '::1')];
  } catch (error) {
    if (hasCode(error, 'EADDRNOTAVAIL', 'EAFNOSUPPORT')) return [first];
    first.close();
    throw error;
  }
}

/** Takes ports in order of preference (0 = any) and listens on the first free one, else on any. */
export async function listenOnLoopback(
  listener: RequestListener,
  ports: readonly (number | undefined)[],
): Promise<Server[]> {
  for (const port of ports) {
    if (port === undefined) continue;
    try {
      return await listenOnBoth(listener, port);
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE', 'EACCES')) throw error;
    }
  }
  return listenOnLoopback(listener, [0]);
}

export function portOf([server]: readonly Server[]): number {
  const address = server?.address() as AddressInfo;
  return address.port;
}

/** Stops listening and closes all connections, even those waiting for a response. */
export async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map((server) => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      return closed;
    }),
  );
}

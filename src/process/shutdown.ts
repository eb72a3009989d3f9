// From SIGTERM to exit 0: report "not ready" for a grace period, accept no new connections, finish
// requests in flight, close the stores.
import type { Server, ServerResponse } from 'node:http';
import { Server as TcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

// A load balancer gives up on a process after 30 s; a request that hangs is cut off before that.
const MAX_DRAIN_MS = 20_000;
// By then, a request that was on the network when the signal came has arrived.
const QUIET_MS = 1_000;
const CHECK_EVERY_MS = 100;

export interface Shutdown {
  /** True from the first call of `run`: /readyz then responds 503. */
  hasBegun(): boolean;
  /**
   * Closes the server; resolves when the last connection has ended or was cut off. Calls `endStreams`
   * after the grace period: a client that connects again then reaches another process.
   */
  run(endStreams: () => void): Promise<void>;
}

/**
 * Call it before the server listens. For `graceSeconds` after `run` is called, the server still takes
 * every request, so that a load balancer loses none before /readyz has told it to send no more.
 */
export function createShutdown(server: Server, graceSeconds: number): Shutdown {
  const unfinished = new Set<ServerResponse>();
  let hasBegun = false;
  server.on('request', (_req, res) => {
    unfinished.add(res);
    res.once('close', () => unfinished.delete(res));
    if (hasBegun) closeAfter(res);
  });
  return {
    hasBegun: () => hasBegun,
    async run(endStreams) {
      hasBegun = true;
      unfinished.forEach(closeAfter);
      if (graceSeconds > 0) await delay(graceSeconds * 1_000);
      const drained = drain(server, () => unfinished.size, graceSeconds > 0);
      endStreams();
      await drained;
    },
  };
}

// The client opens its next connection elsewhere. Were the connection kept open, the next request
// could arrive just as this process closes it, and be lost.
function closeAfter(res: ServerResponse): void {
  if (!res.headersSent) res.setHeader('Connection', 'close');
}

async function drain(
  server: Server,
  inFlight: () => number,
  isBehindProxy: boolean,
): Promise<void> {
  const startedAt = performance.now();
  let quietSince = startedAt;
  const check = setInterval(() => {
    const now = performance.now();
    if (inFlight() > 0) quietSince = now;
    // Connections without a request are not waited for: browsers open some in advance, and a
    // client may send headers byte by byte. Node counts neither as idle; both would block exit.
    const isDone = now - quietSince > QUIET_MS || now - startedAt > MAX_DRAIN_MS;
    if (isDone) server.closeAllConnections();
    // A proxy may be sending a request on an idle connection right now, and does not send a POST
    // twice. It is closed once the proxy has noticed that new connections are refused.
    else if (!isBehindProxy) server.closeIdleConnections();
  }, CHECK_EVERY_MS);
  await new Promise<void>((resolve) => {
    // Unlike that of an HTTP server, this method leaves idle connections open.
    TcpServer.prototype.close.call(server, () => resolve());
  });
  clearInterval(check);
}

/** Runs `close` once on SIGTERM or SIGINT and exits 0; a second signal exits at once. */
export function closeOnSignal(close: () => Promise<void>): void {
  let isClosing = false;
  const onSignal = () => {
    if (isClosing) process.exit(1);
    isClosing = true;
    close().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

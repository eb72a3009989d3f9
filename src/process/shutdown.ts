// From SIGTERM to exit 0: accept no new connections, finish requests in flight, close the stores.
import type { Server } from 'node:http';

// A load balancer gives up on a process after 30 s; a request that hangs is cut off before that.
const MAX_DRAIN_MS = 20_000;
// By then, a request that was on the network when the signal came has arrived.
const QUIET_MS = 1_000;
const CHECK_EVERY_MS = 100;

/**
 * Call it before the server listens. The returned function closes the server and resolves when the
 * last connection has ended or was cut off.
 */
export function createDrain(server: Server): () => Promise<void> {
  let inFlight = 0;
  server.on('request', (_req, res) => {
    inFlight += 1;
    res.once('close', () => {
      inFlight -= 1;
    });
  });
  return async () => {
    const startedAt = performance.now();
    let quietSince = startedAt;
    const check = setInterval(() => {
      const now = performance.now();
      if (inFlight > 0) quietSince = now;
      // Connections without a request are not waited for: browsers open some in advance, and a
      // client may send headers byte by byte. Node counts neither as idle; both would block exit.
      const isDone = now - quietSince > QUIET_MS || now - startedAt > MAX_DRAIN_MS;
      if (isDone) server.closeAllConnections();
      // Idle keep-alive connections would otherwise stay open until their timeout.
      else server.closeIdleConnections();
    }, CHECK_EVERY_MS);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    clearInterval(check);
  };
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

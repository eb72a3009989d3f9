// From SIGTERM to exit 0: no new connections, requests in flight are answered, then the stores close.
import type { Server } from 'node:http';

// A load balancer gives up on a process after 30 s; a request that hangs is cut before that.
const LONGEST_DRAIN_MS = 20_000;
// A request on its way through the network when the signal came is here by then.
const QUIET_MS = 1_000;
const LOOK_AGAIN_MS = 100;

/**
 * Call it before the server listens; what it returns ends the server, and resolves when the last
 * connection is gone, by itself or cut.
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
    const look = setInterval(() => {
      const now = performance.now();
      if (inFlight > 0) quietSince = now;
      // A connection without a request is no reason to wait: browsers open some ahead, and a client
      // may send its headers byte by byte. To node neither is idle, and both would hold the process.
      const isOver = now - quietSince > QUIET_MS || now - startedAt > LONGEST_DRAIN_MS;
      if (isOver) server.closeAllConnections();
      // A keep-alive connection that has answered its last request would stay for its timeout.
      else server.closeIdleConnections();
    }, LOOK_AGAIN_MS);
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    clearInterval(look);
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

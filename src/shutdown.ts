// From SIGTERM to exit 0: no new connections, requests in flight are answered, then the stores close.
import type { Server } from 'node:http';

// A load balancer gives up on a process after 30 s; a request that hangs is cut before that.
const LONGEST_DRAIN_MS = 20_000;
const LOOK_AGAIN_MS = 100;

/** Resolves when the last connection is gone, by itself or cut. */
export async function drain(server: Server): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), LONGEST_DRAIN_MS);
  // A keep-alive connection that has answered its last request would stay open for its timeout.
  const idle = setInterval(() => server.closeIdleConnections(), LOOK_AGAIN_MS);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
  clearInterval(idle);
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

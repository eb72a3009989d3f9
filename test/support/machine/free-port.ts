// Free ports that are known before a server listens on them. They are below the range that the
// system uses for port 0, with a separate range per test worker, so that no other process takes
// them first.
import { createServer } from 'node:net';

const PER_WORKER = 1_000;
const FIRST = 20_000 + (Number(process.env['VITEST_POOL_ID'] ?? 0) % 10) * PER_WORKER;
let given = Math.floor(Math.random() * PER_WORKER);

export async function freePort(): Promise<number> {
  for (;;) {
    given += 1;
    const port = FIRST + (given % PER_WORKER);
    if (await isFree(port)) return port;
  }
}

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });

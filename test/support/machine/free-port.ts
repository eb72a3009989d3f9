// Ports that are known before somebody listens on them. Below those the system gives out for port 0,
// and apart for each worker of the test run: between asking and listening nobody else takes one.
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

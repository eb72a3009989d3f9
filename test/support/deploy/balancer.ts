// A minimal load balancer: round robin, no sticky sessions, Host unchanged. A GET without a
// response goes to the next instance, a few times, as with HAProxy's "retries" and "option
// redispatch".
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

const MOST_ATTEMPTS = 4;

export interface Balancer {
  url: string;
  close(): Promise<void>;
}

/** `ports` returns the ports of the current instances. */
export async function startBalancer(ports: () => number[]): Promise<Balancer> {
  let turn = 0;
  const server = createServer((req, res) => void pass(req, res, ports, (turn += 1)));
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://localhost:${typeof address === 'object' ? address?.port : ''}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function pass(
  req: IncomingMessage,
  res: ServerResponse,
  ports: () => number[],
  turn: number,
): Promise<void> {
  const body = await buffer(req);
  const attempts = req.method === 'GET' ? MOST_ATTEMPTS : 1;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = ports().at((turn + attempt) % ports().length);
    const response = await forward(req, body, port).catch(() => undefined);
    if (!response) continue;
    res.writeHead(response.status, response.headers).end(response.body);
    return;
  }
  res.writeHead(502).end();
}

async function forward(req: IncomingMessage, body: Buffer, port: number | undefined) {
  const upstream = request({
    host: 'localhost',
    port,
    method: req.method,
    path: req.url,
    headers: { ...req.headers, connection: 'close' },
    agent: false,
  });
  upstream.end(body);
  const [response] = await once(upstream, 'response');
  const { statusCode = 502, rawHeaders } = response as IncomingMessage;
  return { status: statusCode, headers: rawHeaders, body: await buffer(response) };
}

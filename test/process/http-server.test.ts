// The server of an Express app: requests and responses have the app's prototypes from the start.
import type { IncomingMessage, ServerResponse } from 'node:http';
import express from 'express';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpServer, listen, portOf } from '../../src/process/http-server.ts';

let server: ReturnType<typeof createHttpServer>;

describe('an Express app on its server', () => {
  afterEach(() => void server.close());

  it('is given requests whose prototypes Express need not replace', async () => {
    const app = express();
    app.get('/', (_req, res) => void res.send('ok'));
    server = createHttpServer(app);
    const isOfApp: boolean[] = [];
    server.on('request', (req: IncomingMessage, res: ServerResponse) => {
      isOfApp.push(Object.getPrototypeOf(req) === app.request);
      isOfApp.push(Object.getPrototypeOf(res) === app.response);
    });
    server.on('request', app);
    await listen(server, 0);

    expect(await (await fetch(`http://localhost:${portOf(server)}/`)).text()).toBe('ok');
    expect(isOfApp).toEqual([true, true]);
  });

  it('has what Express adds to both, and so has an app mounted in it', async () => {
    const app = express();
    const inner = express();
    inner.get('/', (req, res) => void res.json({ path: req.baseUrl, ofInner: req.app === inner }));
    app.use('/inner', inner);
    app.get('/outer', (req, res) => {
      res.json({ path: req.path, host: req.hostname, ofOuter: req.app === app && res.app === app });
    });
    server = createHttpServer(app);
    server.on('request', app);
    await listen(server, 0);

    const open = async (path: string) => {
      const response = await fetch(`http://localhost:${portOf(server)}${path}`);
      return response.json();
    };
    expect(await open('/outer?a=1')).toEqual({ path: '/outer', host: 'localhost', ofOuter: true });
    expect(await open('/inner')).toEqual({ path: '/inner', ofInner: true });
  });
});

// The server of an Express app: requests and responses have the app's prototypes from the start.
import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express from 'express';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { createHttpServer, listen, portOf } from '../../src/process/http-server.ts';
import { freePort } from '../support/machine/free-port.ts';
import { codeBlocks, readText, section } from '../support/reading/markdown.ts';

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

describe('the lines of docs/copying.md', () => {
  it('leave Express nothing to replace in an app of its own', async () => {
    const [lines = ''] = codeBlocks(section(readText('docs/copying.md'), 'A faster Express'), 'js');
    const port = await freePort();
    const program = `import express from 'express';
      const app = express();
      const port = ${port};
      let replaced = 0;
      app.get('/', (_req, res) => res.json({ replaced }));
      ${lines}
      const set = Object.setPrototypeOf;
      Object.setPrototypeOf = (object, prototype) => {
        if (Object.getPrototypeOf(object) !== prototype) replaced += 1;
        return set(object, prototype);
      };`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
    onTestFinished(() => void child.kill());
    const ask = () => fetch(`http://localhost:${port}/`).then((response) => response.json());
    await expect.poll(() => ask().catch(() => undefined)).toEqual({ replaced: 0 });
  });
});

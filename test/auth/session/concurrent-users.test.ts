// Express runs the requests of many users at once in one process. None may see the session of
// another.
import { setTimeout as delay } from 'node:timers/promises';
import type { Express, Request } from 'express';
import { expect, it, onTestFinished } from 'vitest';
import { startSeededHost } from '../../support/app/seeded-host.ts';
import { temporaryFiles } from '../../support/store/stores.ts';

const USERS = ['ada', 'bruno', 'chioma', 'dmitri', 'emi'];
const KINDS = ['whose', 'save', 'reload'];
const newFile = temporaryFiles();

const whose = (req: Request) => [req.user?.sub, req.session.signedIn?.user.sub];

/** Pages that read, write and reload the session, each after a random pause. */
function addPages(app: Express): void {
  app.use((_req, _res, next) => void delay(Math.random() * 5).then(() => next()));
  app.get('/whose', (req, res) => void res.json(whose(req)));
  app.get('/save', (req, res) => {
    Object.assign(req.session, { note: Math.random() });
    res.json(whose(req));
  });
  app.get('/reload', async (req, res) => {
    await new Promise((resolve) => req.session.reload(resolve));
    res.json(whose(req));
  });
}

it('five users see only their own sessions while their requests interleave', async () => {
  const host = await startSeededHost({ file: newFile(), addPages });
  onTestFinished(() => host.close());
  const cookies = await Promise.all(USERS.map((name, i) => host.seed(name, (i % 2) * 120_000)));
  const asked = [...Array(300).keys()].map(async (i) => {
    const { body } = await host.ask(`/${KINDS[i % 3]}`, cookies[i % USERS.length] ?? '');
    expect(body).toEqual([USERS[i % USERS.length], USERS[i % USERS.length]]);
  });
  await Promise.all(asked);
});

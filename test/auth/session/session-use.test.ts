// The store notes the use of a session while its page runs. The session may end in that moment, and
// the note may fail.
import { EventEmitter, once } from 'node:events';
import type { Express, Request } from 'express';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SessionRecords } from '../../../src/auth/index.ts';
import { startSeededHost } from '../../support/app/seeded-host.ts';
import { temporaryFiles } from '../../support/store/stores.ts';

const newFile = temporaryFiles();
const events = new EventEmitter();

const whose = (req: Request) => [req.user?.sub, req.session.signedIn?.user.sub];

function addPages(app: Express): void {
  app.get('/whose', (req, res) => void res.json(whose(req)));
  app.get('/save-late', async (req, res) => {
    Object.assign(req.session, { note: Math.random() });
    events.emit('running');
    await once(events, 'over');
    res.json(whose(req));
  });
}

async function start(change?: (records: SessionRecords) => Partial<SessionRecords>) {
  const host = await startSeededHost({ file: newFile(), addPages, ...(change && { change }) });
  onTestFinished(() => host.close());
  return host;
}

describe('the use of a session', () => {
  it('does not bring it back when it ends while its page runs', async () => {
    const host = await start();
    const cookie = await host.seed('ada', 120_000);
    const late = host.ask('/save-late', cookie);
    await once(events, 'running');
    expect(await host.endSessionsOf('ada')).toEqual([true]);
    events.emit('over');
    expect((await late).body).toEqual(['ada', 'ada']);
    expect((await host.ask('/whose', cookie)).body).toEqual([null, null]);
  });

  it('keeps the user signed in, with an event, when the store fails to note it', async () => {
    const host = await start(() => ({
      touch: () => Promise.reject(new Error('the disk is full')),
    }));
    const cookie = await host.seed('ada', 120_000);
    expect(await host.ask('/whose', cookie)).toEqual({ body: ['ada', 'ada'], cookies: [] });
    expect(host.told).toContainEqual({ event: 'session_touch_failed', sub: 'ada' });
  });

  it('has no user when noting it finds that the session has ended', async () => {
    const host = await start((records) => ({
      touch: async (key) => !(await records.remove(key)),
    }));
    expect((await host.ask('/whose', await host.seed('ada', 120_000))).body).toEqual([null, null]);
  });
});

// A browser may be faster than the store. A redirect that overtakes the write would show the next
// page to a user who looks signed out, or still signed in.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { currentUser, type SessionRecords } from '../../src/auth/index.ts';
import { openEmbeddedStore } from '../../src/store/embedded/store.ts';
import { startHostApp, type HostApp } from '../support/app/host.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';
import { temporaryFiles } from '../support/store/stores.ts';

const newFile = temporaryFiles();
let issuer: SignInIssuer;
let host: HostApp;
let closeStore: () => Promise<void>;
const done: string[] = [];

/** The same records, whose writes take `ms` longer and are noted once they are done. */
function slowed(records: SessionRecords, ms: number): SessionRecords {
  return {
    ...records,
    async insert(...session) {
      await delay(ms);
      await records.insert(...session);
      done.push('insert');
    },
    async remove(key) {
      await delay(ms);
      const isEnded = await records.remove(key);
      done.push('remove');
      return isEnded;
    },
  };
}

beforeAll(async () => {
  issuer = await startSignInIssuer();
  const store = await openEmbeddedStore({ file: newFile() });
  closeStore = () => store.close();
  host = await startHostApp(
    { issuer: new URL(issuer.url), clientId: CLIENT_ID, records: slowed(store, 300) },
    (app, auth) => {
      app.use(auth.session, auth.routes);
      app.get('/profile', auth.requireLogin, (req, res) => void res.send(currentUser(req).name));
    },
  );
});
afterAll(async () => {
  await host.close();
  await closeStore();
  await issuer.close();
});

describe('the redirect', () => {
  it('after a sign-in waits until the session is saved', async () => {
    const browser = new Browser();
    const start = await browser.get(`${host.url}/login?return_to=/profile`);
    const response = await browser.get(start.location ?? '');
    const { status, location } = await browser.get(response.location ?? '');
    expect([status, location?.pathname]).toEqual([303, '/profile']);
    expect(done.at(-1)).toBe('insert');
    expect((await browser.open(location ?? '')).body).toBe('Nora Test');
  });

  it('after a sign-out waits until the session is removed', async () => {
    const browser = new Browser();
    await browser.open(`${host.url}/login?return_to=/profile`);
    done.length = 0;
    const { status } = await browser.post('/logout');
    expect(status).toBe(303);
    expect(done).toEqual(['remove']);
  });
});

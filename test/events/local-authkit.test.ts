// The whole in one place: what the local AuthKit's page of people changes is sent to the app as a
// webhook, and the user's next click shows it.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../support/app/app.ts';
import { Browser } from '../support/browser/browser.ts';
import { codeOn } from '../support/browser/callback.ts';
import { openStream } from '../support/browser/connections.ts';

let app: TestApp;
const developer = new Browser();
beforeAll(async () => {
  app = await startTestApp({ webhooks: true });
});
afterAll(() => app.close());
afterEach(() => app.authKit.control.restorePeople());

const received = (type: string) =>
  app.log.filter((line) => line.event === 'webhook_received' && line['type'] === type);

/** Presses a button on the page of people, and waits until the app has acted on the webhook. */
async function change(button: string, type: string, fields: Record<string, string> = {}) {
  const before = received(type).length;
  await developer.open(`${app.authKit.issuer}/_control/people`);
  await developer.follow(await developer.press(button, fields));
  await expect.poll(() => received(type).length).toBe(before + 1);
}

const person = (name: string) => {
  const found = app.authKit.people.find((entry) => entry.givenName === name);
  return { sub: found?.sub ?? '', organization: found?.organizations[0]?.id ?? '' };
};

test('a deleted user is signed out at the next click, in every browser, and cannot return', async () => {
  const browsers = [await signIn(app, { person: 'Ada' }), await signIn(app, { person: 'Ada' })];
  await change('Delete Ada', 'user.deleted');
  for (const browser of browsers) {
    const page = await browser.get(`${app.url}/profile`);
    expect([page.status, page.location?.pathname]).toEqual([302, '/login']);
  }
  for (const browser of [...browsers, new Browser()]) {
    const page = await browser.open(`${app.url}/profile`);
    expect([page.status, page.url.pathname]).toEqual([
      200,
      expect.stringContaining('/interaction/'),
    ]);
    expect(page.body).toContain('Bruno');
    expect(page.body).not.toContain('Ada');
  }
});

test('a demoted moderator loses the page at the next click, and stays signed in', async () => {
  const browser = await signIn(app);
  expect((await browser.get(`${app.url}/moderation`)).status).toBe(200);
  await change('Demote', 'organization_membership.updated', person('Bruno'));
  const refused = await browser.get(`${app.url}/moderation`);
  expect([refused.status, codeOn(refused)]).toEqual([403, 'permission_required']);
  const profile = await browser.get(`${app.url}/profile`);
  expect(profile.status).toBe(200);
  expect(profile.body).not.toContain('posts:moderate');
  await change('Promote', 'organization_membership.updated', person('Bruno'));
  expect((await browser.get(`${app.url}/moderation`)).status).toBe(200);
});

test('while AuthKit cannot be asked about news, pages that need a role or an organization wait', async () => {
  const browser = await signIn(app);
  const statusOf = async (path: string) => (await browser.get(`${app.url}${path}`)).status;
  app.authKit.control.fault({ endpoint: 'token', kind: 'status', status: 503 });
  await change('Demote', 'organization_membership.updated', person('Bruno'));
  expect(await statusOf('/organization')).toBe(503);
  expect(await statusOf('/profile')).toBe(200);
  app.authKit.control.reset();
  await expect.poll(() => statusOf('/organization')).toBe(200);
  expect(await statusOf('/moderation')).toBe(403);
});

test('a user removed from an organization is signed out of it', async () => {
  const browser = await signIn(app);
  await change('Remove', 'organization_membership.deleted', person('Bruno'));
  expect((await browser.get(`${app.url}/profile`)).status).toBe(302);
  const again = await signIn(app);
  expect((await again.get(`${app.url}/organization`)).status).toBe(403);
});

test('a renamed user stays signed in, and has the new name after the next sign-in', async () => {
  const browser = await signIn(app);
  await change('Rename', 'user.updated', { ...person('Bruno'), givenName: 'Beatrix' });
  expect((await browser.get(`${app.url}/profile`)).status).toBe(200);
  const again = await signIn(app, { person: 'Beatrix' });
  expect(again.page?.body).toContain('Beatrix Okafor');
});

test('an open page follows news: it stays after a demotion, and ends with the grant', async () => {
  const browser = await signIn(app);
  const { sub } = person('Bruno');
  const stream = await openStream(browser, `${app.url}/sessions/live`);
  const refreshed = () => app.log.filter(({ event }) => event === 'tokens_refreshed').length;
  const before = refreshed();
  await change('Demote', 'organization_membership.updated', person('Bruno'));
  await expect.poll(refreshed).toBe(before + 1);
  expect(stream.text()).not.toContain('session-ended');
  app.authKit.control.endGrant({ sub });
  await change('Rename', 'user.updated', { sub, givenName: 'Beatrix' });
  expect(await stream.ended).toContain('session-ended');
});

test('a webhook is sent again until the app responds', async () => {
  const browser = await signIn(app);
  const before = received('user.deleted').length;
  await app.stop();
  app.authKit.control.deletePerson(person('Bruno'));
  await app.restart();
  await expect.poll(() => received('user.deleted').length).toBe(before + 1);
  expect((await browser.get(`${app.url}/profile`)).status).toBe(302);
});

test('the page of people refuses a form of another site', async () => {
  await developer.open(`${app.authKit.issuer}/_control/people`);
  const fields = { change: 'delete', sub: person('Chiara').sub };
  const url = `${app.authKit.issuer}/_control/people`;
  const headers = { 'sec-fetch-site': 'same-site' };
  expect((await developer.post(url, fields, { headers })).status).toBe(403);
  expect((await developer.post(url, { ...fields, change: 'ban' })).status).toBe(400);
  expect((await developer.get(url)).body).toContain('Chiara');
});

// WorkOS's own emulator sends webhooks too: not only our understanding of them is tested.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { WorkOS } from '@workos-inc/node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signWebhook } from '../../src/events/index.ts';
import { verifySignature } from '../../src/events/signature.ts';
import { startTestApp, type TestApp } from '../support/app/app.ts';
import { until } from '../support/app/instances.ts';
import { post, WEBHOOK_SECRET } from '../support/app/webhooks.ts';
import { startEmulator, type Emulator } from '../support/authkit/emulator.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import { Browser } from '../support/browser/browser.ts';

interface Webhook {
  signature: string;
  body: Buffer<ArrayBuffer>;
}

let emulator: Emulator | undefined;
let receiver: Server;
let received: Webhook[] = [];
let issuer: SignInIssuer;
let app: TestApp;

beforeAll(async () => {
  emulator = await startEmulator().catch((error: unknown) => {
    if (process.env['CI']) throw error;
    process.stderr.write('Skipping the tests of the emulator: npm cannot install it.\n');
    return undefined;
  });
  receiver = createServer((req, res) => void receive(req, res)).listen(0, 'localhost');
  await once(receiver, 'listening');
  const { port } = receiver.address() as AddressInfo;
  const endpoint = { endpoint_url: `http://localhost:${port}`, secret: WEBHOOK_SECRET };
  await emulator?.call('POST', '/webhook_endpoints', endpoint);
  issuer = await startSignInIssuer();
  app = await startTestApp({ env: { ...issuer.env, WORKOS_WEBHOOK_SECRET: WEBHOOK_SECRET } });
});
afterAll(async () => {
  await emulator?.close();
  receiver.closeAllConnections();
  receiver.close();
  await app.close();
  await issuer.close();
});

async function receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
  received.push({
    signature: String(req.headers['workos-signature']),
    body: await buffer(req),
  });
  res.end();
}

async function signIn(sub: string): Promise<Browser> {
  issuer.vary = { idToken: { sub } };
  const browser = new Browser();
  expect((await browser.open(`${app.url}/profile`)).status).toBe(200);
  return browser;
}

const isSignedIn = async (browser: Browser) =>
  (await browser.get(`${app.url}/profile`)).status === 200;

const typeOf = ({ body }: Webhook) => (JSON.parse(body.toString()) as { event: string }).event;

/** Has the emulator do something; resolves to the webhook of this type that it sends then. */
async function webhookOf(type: string, ...called: Parameters<Emulator['call']>): Promise<Webhook> {
  received = [];
  await emulator?.call(...called);
  await until(() => received.some((webhook) => typeOf(webhook) === type));
  const found = received.find((webhook) => typeOf(webhook) === type);
  if (!found) throw new Error(`no ${type}`);
  return found;
}

const forward = ({ body, signature }: Webhook) =>
  post(app.url, body, { 'workos-signature': signature });
const signAnew = ({ body }: Webhook) => ({ body, signature: signWebhook(WEBHOOK_SECRET, body) });

/** Makes a user of the emulator; resolves to the ids of the user and of a membership. */
async function newMember({ call }: Emulator): Promise<{ sub: string; membership: string }> {
  const user = await call('POST', '/user_management/users', { email: 'zoe@example.com' });
  const { id: organization_id } = await call('POST', '/organizations', { name: 'Blue Kiln' });
  const member = { user_id: user['id'], organization_id };
  const membership = await call('POST', '/user_management/organization_memberships', member);
  return { sub: String(user['id']), membership: String(membership['id']) };
}

test('the emulator’s webhooks, signed as AuthKit signs, do here what they say', async ({
  skip,
}) => {
  if (!emulator) {
    skip();
    return;
  }
  const { sub, membership } = await newMember(emulator);
  const [user, member] = [
    `/user_management/users/${sub}`,
    `/user_management/organization_memberships/${membership}`,
  ];
  const browser = await signIn(sub);
  const updated = await webhookOf('user.updated', 'PUT', user, { first_name: 'Zoë' });
  await forward(signAnew(updated));
  expect(await isSignedIn(browser)).toBe(true);
  await forward(signAnew(await webhookOf('organization_membership.deleted', 'DELETE', member)));
  expect(await isSignedIn(browser)).toBe(true);
  await forward(signAnew(await webhookOf('user.deleted', 'DELETE', user)));
  expect(await isSignedIn(browser)).toBe(false);
  expect(app.log.filter(({ event }) => event === 'webhook_received')).toMatchObject([
    { type: 'user.updated', sub, result: 'rechecked', sessions: 1 },
    { type: 'organization_membership.deleted', sub, result: 'ended', sessions: 0 },
    { type: 'user.deleted', sub, result: 'ended', sessions: 1 },
  ]);
});

test('the emulator’s signatures have their time in seconds: refused, as by WorkOS’s SDK', async ({
  skip,
}) => {
  if (!emulator) {
    skip();
    return;
  }
  const newUser = { email: 'max@example.com' };
  const webhook = await webhookOf('user.created', 'POST', '/user_management/users', newUser);
  const { body, signature } = webhook;
  expect(() => verifySignature(signature, body, [WEBHOOK_SECRET], Infinity)).not.toThrow();
  const response = await forward(webhook);
  expect([response.status, await response.json()]).toMatchObject([
    401,
    { error: 'signature_outdated' },
  ]);
  const payload = JSON.parse(body.toString()) as Record<string, unknown>;
  const sent = { payload, sigHeader: signature, secret: WEBHOOK_SECRET };
  const { webhooks } = new WorkOS('sk_test_of_the_tests');
  await expect(webhooks.verifyHeader(sent)).rejects.toThrow('outside the tolerance zone');
});

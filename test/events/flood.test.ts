// Ten thousand webhooks, most of them as they should not come: each gets its status, only the good
// ones end sessions, and the app's memory does not grow with their number.
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { signWebhook } from '../../src/events/index.ts';
import { signInAt, startFleet, times, visit, type Fleet } from '../support/app/instances.ts';
import { newEvent, WEBHOOK_SECRET } from '../support/app/webhooks.ts';
import { compiled } from '../support/machine/compiled.ts';
import { usedMemoryOf } from '../support/machine/memory.ts';

const CONNECTIONS = 20;
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const HOUR = 3_600_000;

let fleet: Fleet;
let url: string;
beforeAll(async () => {
  const env = {
    WORKOS_WEBHOOK_SECRET: WEBHOOK_SECRET,
    LOG_LEVEL: 'silent',
    REPORT_MEMORY: '1',
    NODE_OPTIONS: `--import ${compiled('test/support/machine/memory.ts')}`,
  };
  fleet = await startFleet({ count: 1, env });
  url = `http://localhost:${fleet.instances[0]?.port}`;
});
afterAll(async () => {
  agent.destroy();
  await fleet.close();
});

const subOf = (name: string) =>
  fleet.authKit.people.find(({ givenName }) => givenName === name)?.sub ?? '';
const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
const deletionOf = (name: string) => newEvent('user.deleted', { id: subOf(name) });

/** Signs and posts a body; resolves to the status and the word of the response. */
async function post(body: string, secret = WEBHOOK_SECRET, signedAt = Date.now()): Promise<string> {
  const bytes = Buffer.from(body);
  const headers = {
    'content-length': bytes.length,
    'workos-signature': signWebhook(secret, bytes, signedAt),
  };
  const req = request(`${url}/webhooks/authkit`, { method: 'POST', agent, headers });
  req.end(bytes);
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  const { result, error } = JSON.parse(await text(res)) as { result?: string; error?: string };
  return `${res.statusCode} ${result ?? error}`;
}

const send = (event: object) => post(JSON.stringify(event));

async function cutOff(): Promise<string> {
  const socket = connect(Number(new URL(url).port), 'localhost');
  const head = ['POST /webhooks/authkit HTTP/1.1', 'Host: localhost', 'Content-Length: 100'];
  socket.write(`${head.join('\r\n')}\r\n\r\n{"id":`, () => socket.destroy());
  await once(socket, 'close');
  return 'cut';
}

/** What is sent, in turns, and what the app says about it. Only Bruno's sessions may end. */
function kinds(): [sent: (at: number) => Promise<string>, outcome: string][] {
  const repeated = newEvent('user.updated', { id: subOf('Ada') });
  const membership = { id: 'om_1', user_id: subOf('Ada'), organization_id: 'org_of_nobody' };
  const late = { created_at: ago(2 * HOUR) };
  return [
    [() => send(repeated), '200 repeated'],
    [() => send(deletionOf('Bruno')), '200 ended'],
    [() => send(newEvent('session.revoked', { user_id: subOf('Ada') })), '200 rechecked'],
    [(at) => send(newEvent('user.deleted', { id: `user_unknown_${at}` })), '200 ended'],
    [
      // Each is older than the one before.
      (at) => send(newEvent('user.updated', { id: subOf('Ada'), updated_at: ago(at * 1000) })),
      '200 rechecked',
    ],
    [() => send(newEvent('organization_membership.deleted', membership, late)), '200 ended'],
    [(at) => send(newEvent(`session.created_${at}`, {})), '200 ignored'],
    [() => send(newEvent('user.deleted', {})), '400 event_malformed'],
    [() => post(JSON.stringify(deletionOf('Ada')).slice(1)), '400 body_not_json'],
    [
      () => post(JSON.stringify(deletionOf('Ada')), 'another-secret-0123456789'),
      '401 signature_invalid',
    ],
    [
      () => post(JSON.stringify(deletionOf('Ada')), WEBHOOK_SECRET, Date.now() - HOUR),
      '401 signature_outdated',
    ],
    [cutOff, 'cut'],
  ];
}

/** Sends the kinds in turns over a few connections; returns those that got another response. */
async function flood(count: number): Promise<string[]> {
  const turns = kinds();
  await turns[0]?.[0](0);
  const unexpected: string[] = [];
  let next = 0;
  const sender = async () => {
    while (next < count) {
      const at = (next += 1);
      const [sent, expected] = turns[at % turns.length] ?? [cutOff, ''];
      const outcome = await sent(at);
      if (outcome !== expected) unexpected.push(`${expected}, but: ${outcome}`);
    }
  };
  await Promise.all(times(CONNECTIONS, sender));
  return unexpected;
}

async function memoryAfter(count: number): Promise<number> {
  expect(await flood(count)).toEqual([]);
  const [app] = fleet.instances;
  if (!app) throw new Error('the app is not running');
  return usedMemoryOf(app.child);
}

test('ten thousand webhooks, few of them good, leave the state right and the memory flat', async () => {
  const browsers = [await signInAt(url, 'Ada'), await signInAt(url, 'Bruno')];
  const before = await memoryAfter(2_000);
  const after = await memoryAfter(8_000);
  // A kept body would take over 400 bytes of each.
  expect(after - before, `${before} bytes before`).toBeLessThan(8_000 * 150);
  fleet.authKit.control.reset();
  const pages = await Promise.all(browsers.map((each) => visit(each, fleet, 0, '/profile')));
  expect(pages.map(({ status }) => status)).toEqual([200, 302]);
  // Of all the news about Ada, her session asks AuthKit once.
  expect(fleet.authKit.control.requests().token).toBe(1);
});

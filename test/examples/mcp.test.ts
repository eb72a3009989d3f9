// The MCP example, run as a process, with the official SDK's client and people who sign in.
import dns from 'node:dns';
import type { RequestOptions } from 'node:https';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSettings } from '../../examples/mcp/settings.ts';
import { call, callWith } from '../support/app/bearer-app.ts';
import { runExample } from '../support/app/examples.ts';
import { initialize, startMcpWorld, toolCall, useTool } from '../support/app/mcp-world.ts';
import type { McpWorld } from '../support/app/mcp-world.ts';
import { Browser } from '../support/browser/browser.ts';
import { LocalClient } from '../support/authkit/local-client.ts';

let world: McpWorld;

beforeAll(async () => {
  world = await startMcpWorld();
});
afterAll(() => world.close());

const subOf = (name: string) => world.authkit.people.find((person) => person.name === name)?.sub;
/** DNS rebinding: every name leads to this machine. */
const toThisMachine: RequestOptions['lookup'] = (_host, options, found) =>
  dns.lookup('localhost', options, found);
const documentUrl = () => world.url.replace('/mcp', '/.well-known/oauth-protected-resource/mcp');

describe('a client of the official SDK', () => {
  test('finds AuthKit by the challenge, and signs in with PKCE for this server', async () => {
    const client = world.newClient();
    await expect(client.connect()).rejects.toThrow(UnauthorizedError);
    const { origin, searchParams } = client.authorizationUrl ?? new URL('about:blank');
    expect(origin).toBe(world.authkit.issuer);
    expect(Object.fromEntries(searchParams)).toMatchObject({
      code_challenge_method: 'S256',
      resource: world.url,
    });
    await client.signIn({ person: 'Bruno Okafor' });
    expect(decodeJwt(client.kept?.access_token ?? '').aud).toBe(world.url);
    const { tools } = await (await client.connect()).listTools();
    expect(tools.map(({ name }) => name)).toEqual(['whoami', 'organization', 'list_posts']);
  });

  test('learns who is calling, and for which organization', async () => {
    const bruno = await world.newClient().connectAs('Bruno Okafor');
    const organization = expect.stringMatching(/^org_/);
    expect(await useTool(bruno, 'whoami')).toEqual({
      sub: subOf('Bruno Okafor'),
      org_id: organization,
      client_id: world.authkit.applications.publicApp.clientId,
      scopes: expect.arrayContaining(['openid', 'posts:read']),
    });
    expect(await useTool(bruno, 'organization')).toEqual({ org_id: organization });
    const ada = await world.newClient().connectAs('Ada Lindqvist');
    expect(await useTool(ada, 'whoami')).toMatchObject({
      sub: subOf('Ada Lindqvist'),
      org_id: null,
    });
  });

  test('refreshes a token that is refused, for the same resource, within its session', async () => {
    const client = world.newClient();
    const connected = await client.connectAs('Bruno Okafor');
    const before = world.authkit.control.requests().token;
    const { sessionId, kept } = client;
    if (kept !== undefined) client.kept = { ...kept, access_token: `${kept.access_token}A` };
    expect(await useTool(connected, 'whoami')).toMatchObject({ sub: subOf('Bruno Okafor') });
    expect(world.authkit.control.requests().token - before).toBe(1);
    expect(decodeJwt(client.kept?.access_token ?? '').aud).toBe(world.url);
    expect(client.sessionId).toBe(sessionId);
  });

  test('asks the user for the scope that a tool needs', async () => {
    const client = world.newClient('openid');
    const connected = await client.connectAs('Bruno Okafor');
    await expect(useTool(connected, 'list_posts')).rejects.toThrow(UnauthorizedError);
    expect(client.authorizationUrl?.searchParams.get('scope')).toBe('posts:read');
    await client.signIn({ person: 'Bruno Okafor' });
    expect(await useTool(connected, 'list_posts')).toEqual([expect.objectContaining({ id: 1 })]);
  });
});

describe('a token', () => {
  test('is asked for with the address of the metadata, which names this server and AuthKit', async () => {
    const { status, challenge } = await world.newClient().post(toolCall('whoami'), {
      authorization: '',
    });
    expect(status).toBe(401);
    expect(challenge).toBe(`Bearer realm="api", resource_metadata="${documentUrl()}"`);
    expect((await call(documentUrl())).body).toEqual({
      resource: world.url,
      authorization_servers: [world.authkit.issuer],
      bearer_methods_supported: ['header'],
    });
  });

  test('is refused if it is for the environment or for another API, or an ID token', async () => {
    const { clientId } = world.authkit.applications.publicApp;
    const client = new LocalClient(world.authkit.issuer, clientId);
    const person = { person: 'Bruno Okafor' };
    const forEnvironment = await client.signIn(person);
    const forOther = await client.signIn(person, { resource: world.otherApi });
    expect(decodeJwt(forEnvironment['access_token'] ?? '').aud).toBe(
      world.authkit.environmentClientId,
    );
    expect(decodeJwt(forOther['access_token'] ?? '').aud).toBe(world.otherApi);
    const tokens = [
      forEnvironment['access_token'],
      forOther['access_token'],
      forEnvironment['id_token'],
    ];
    const responses = await Promise.all(tokens.map((token) => callWith(world.url, token ?? '')));
    expect(responses.map(({ status }) => status)).toEqual([401, 401, 401]);
    for (const { challenge } of responses) expect(challenge).toContain('error="invalid_token"');
  });

  test('is refused without the scope or the organization that a tool needs', async () => {
    const client = world.newClient();
    await client.connectAs('Ada Lindqvist');
    const posts = await client.post(toolCall('list_posts'));
    expect(posts.status).toBe(403);
    expect(posts.challenge).toMatch(/error="insufficient_scope".* scope="posts:read"/);
    const organization = await client.post(toolCall('organization'));
    expect(organization.status).toBe(403);
    expect(organization.challenge).toContain('error="insufficient_scope"');
    // Neither a batch nor a body that Express does not parse hides a call from the guards.
    const hidden = [
      await client.post([toolCall('list_posts')]),
      await client.post(toolCall('list_posts'), { 'content-type': 'text/plain' }),
    ];
    expect(hidden.map(({ status }) => status)).toEqual([400, 415]);
  });

  test('ends the event stream that it opened', async () => {
    world.authkit.control.setAccessTokenSeconds({ seconds: 3 });
    const client = world.newClient();
    await client.connectAs('Ada Lindqvist');
    world.authkit.control.setAccessTokenSeconds({ seconds: 300 });
    const { exp = 0 } = decodeJwt(client.kept?.access_token ?? '');
    // A session of its own: that of the SDK's client has its stream already.
    const { headers } = await client.post(initialize, { 'mcp-session-id': '' });
    const { status } = await client.send('GET', {
      accept: 'text/event-stream',
      'mcp-session-id': headers['mcp-session-id'] ?? '',
    });
    expect(status).toBe(200);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  });
});

describe('a session', () => {
  test('is unknown to every other user, and still there for its own', async () => {
    const [ada, bruno] = [world.newClient(), world.newClient()];
    await Promise.all([ada.connectAs('Ada Lindqvist'), bruno.connectAs('Bruno Okafor')]);
    const stolen = { 'mcp-session-id': ada.sessionId };
    const responses = await Promise.all([
      bruno.post(toolCall('whoami'), stolen),
      bruno.send('GET', { ...stolen, accept: 'text/event-stream' }),
      bruno.send('DELETE', stolen),
      bruno.post(toolCall('whoami'), { 'mcp-session-id': 'no-such-session' }),
    ]);
    expect(responses.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    expect((await ada.post(toolCall('whoami'))).status).toBe(200);
  });

  test('is unknown to another application of the same user', async () => {
    const ada = world.newClient();
    await ada.connectAs('Ada Lindqvist');
    const { clientId, clientSecrets } = world.authkit.applications.firstParty;
    const application = new LocalClient(world.authkit.issuer, clientId, clientSecrets[0]);
    const tokens = await application.signIn({ person: 'Ada Lindqvist' }, { resource: world.url });
    const authorization = `Bearer ${tokens['access_token']}`;
    expect((await ada.post(toolCall('whoami'), { authorization })).status).toBe(404);
  });

  test('ends when its client ends it', async () => {
    const ada = world.newClient();
    await ada.connectAs('Ada Lindqvist');
    expect((await ada.send('DELETE')).status).toBe(200);
    expect((await ada.post(toolCall('whoami'))).status).toBe(404);
  });

  test('is needed for everything but its beginning', async () => {
    const ada = world.newClient();
    await ada.connectAs('Ada Lindqvist');
    const without = { 'mcp-session-id': '' };
    expect((await ada.post(toolCall('whoami'), without)).status).toBe(400);
    expect((await ada.send('GET', without)).status).toBe(400);
  });
});

test('pages of other sites are refused, also through a name that leads here', async () => {
  const ada = world.newClient();
  await ada.connectAs('Ada Lindqvist');
  const message = toolCall('whoami');
  const { origin } = new URL(world.url);
  const page = await ada.post(message, { origin: 'https://evil.example' });
  const sandbox = await ada.post(message, { origin: 'null' });
  expect([page.status, sandbox.status]).toEqual([403, 403]);
  expect((await ada.post(message, { origin })).status).toBe(200);
  const rebound = documentUrl().replace('localhost', 'evil.example');
  expect((await new Browser({ lookup: toThisMachine }).get(rebound)).status).toBe(403);
  expect((await new Browser({ lookup: toThisMachine }).get(documentUrl())).status).toBe(200);
});

test('a body that is not JSON gets 400, without a stack trace', async () => {
  const ada = world.newClient();
  await ada.connectAs('Ada Lindqvist');
  const { status, body } = await ada.post('{"jsonrpc":');
  expect({ status, body }).toEqual({
    status: 400,
    body: {
      jsonrpc: '2.0',
      error: { code: -32_700, message: 'The body cannot be parsed' },
      id: null,
    },
  });
});

describe('a wrong setting is refused in one sentence:', () => {
  test.each([
    ['MCP_URL', 'http://mcp.example.com/mcp', 'must be an https URL (http on this machine only)'],
    ['MCP_URL', 'nonsense', 'must be an https URL (http on this machine only)'],
    ['MCP_URL', 'https://mcp.example.com', 'must be a plain URL with a path'],
    ['MCP_URL', 'https://mcp.example.com/mcp?a=b', 'must be a plain URL with a path'],
    ['MCP_URL', 'https://MCP.example.com/mcp', 'must be a plain URL with a path'],
    ['MCP_URL', 'https://mcp.example.com/:id', 'must be a plain URL with a path'],
    ['AUTHKIT_ISSUER', 'http://authkit.example.com', 'must be an https URL'],
    ['PORT', '65536', 'must be a number up to 65535'],
  ])('%s=%s', (name, value, sentence) => {
    expect(() => readSettings({ [name]: value })).toThrow(`${name} ${sentence}`);
  });

  test('on the terminal, without a stack trace', async () => {
    const [wrong, taken] = await Promise.all([
      runExample('mcp', [], { PORT: 'x' }).ended,
      runExample('mcp', [], { MCP_URL: world.url }).ended,
    ]);
    const stderr = 'PORT must be a number up to 65535, not x\n';
    expect(wrong).toEqual({ code: 1, stdout: '', stderr });
    expect(taken).toMatchObject({ code: 1, stdout: '' });
    expect(taken.stderr).toMatch(/^Cannot listen on port \d+: .*EADDRINUSE.*\n$/);
  });
});

// The doctor sends the client secret only where the app would: a server records what arrives.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { certificateFor } from '../../support/machine/certificate.ts';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { changedMetadata, createServers, diagnose, runAsJson } from '../../support/app/doctor.ts';

const SECRET = 'c'.repeat(64);
let app: TestApp;
let received = '';
/** Where everything that arrives is recorded: by its loopback name, and by one that is not. */
let recorder: string;
let beyond: string;
const servers = createServers();

const record: RequestListener = (req, res) => {
  received += `${req.url} ${JSON.stringify(req.headers)}\n`;
  req.on('data', (chunk: Buffer) => (received += chunk.toString()));
  req.on('end', () => res.writeHead(400).end('{"error":"invalid_grant"}'));
};

beforeAll(async () => {
  app = await startTestApp();
  recorder = await servers.serve(record);
  const server = createServer(record);
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  beyond = `http://0.0.0.0:${(server.address() as AddressInfo).port}`;
  servers.own(server);
});
beforeEach(() => (received = ''));
afterAll(async () => {
  servers.close();
  await app.close();
});

type Change = (metadata: Record<string, unknown>) => unknown;

/** The doctor's findings at an AuthKit whose token endpoint records, with other changes. */
async function findAt(change: Change) {
  const metadata = changedMetadata(app, (all) => {
    all['token_endpoint'] = recorder;
    change(all);
  });
  const issuer = await servers.serve(metadata);
  return diagnose({ ...app.env, AUTHKIT_ISSUER: issuer, OAUTH_APP_CLIENT_SECRET: SECRET });
}

it('the secret arrives at a token endpoint that the app would use', async () => {
  const { found } = await findAt(() => undefined);
  expect(found('credentials')?.status).toBe('ok');
  expect(received).toContain(SECRET);
});

it.each([
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'userinfo_endpoint',
  'introspection_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
])('no secret is sent if %s has no TLS', async (member) => {
  const { problems, findings } = await findAt((all) => (all[member] = `${beyond}/any`));
  expect(problems).toHaveLength(1);
  if (member !== 'jwks_uri') {
    expect(findings.find(({ check }) => check === 'metadata')?.found).toContain(
      `: ${member} is not https`,
    );
  }
  expect(received).not.toContain(SECRET);
});

it.each<[string, Change]>([
  ['names another issuer', (all) => (all['issuer'] = 'https://other.example')],
  ['names its issuer with another path', (all) => (all['issuer'] = `${String(all['issuer'])}/x`)],
  ['has no keys', (all) => delete all['jwks_uri']],
  ['has a token endpoint in a list', (all) => (all['token_endpoint'] = [recorder])],
])('no secret is sent if the metadata %s', async (_, change) => {
  const { problems } = await findAt(change);
  expect(problems).not.toEqual([]);
  expect(received).not.toContain(SECRET);
});

it('no secret is sent if the metadata is a redirect', async () => {
  const issuer = await servers.serve((_req, res) =>
    res.writeHead(307, { location: recorder }).end(),
  );
  const { problems } = await diagnose({ ...app.env, AUTHKIT_ISSUER: issuer });
  expect(problems).toEqual(['issuer']);
  expect(received).toBe('');
});

it('no redirect of the token endpoint is followed', async () => {
  const redirecting = await servers.serve((_req, res) =>
    res.writeHead(307, { location: recorder }).end(),
  );
  const { found } = await findAt((all) => (all['token_endpoint'] = redirecting));
  expect(found('credentials')).toMatchObject({
    status: 'warning',
    found: 'not checked; token endpoint: HTTP 307',
  });
  expect(received).toBe('');
});

it('a secret that the token endpoint echoes is not shown', async () => {
  const echo = await servers.serve((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => res.writeHead(400).end(JSON.stringify({ error: `wrong: ${body}` })));
  });
  // `diagnose` fails the test if the findings contain the secret.
  const { found } = await findAt((all) => (all['token_endpoint'] = echo));
  expect(found('credentials')?.found).toBe('not checked; token endpoint: HTTP 400');
});

it('no secret is sent to http on loopback if the issuer is https', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  const { cert, key } = certificateFor('localhost');
  const ca = join(folder, 'ca.pem');
  await writeFile(ca, cert);
  const metadata = changedMetadata(app, (all) => {
    for (const name of Object.keys(all)) if (/_endpoint$|_uri$/.test(name)) all[name] = recorder;
    all['issuer'] = String(all['issuer']).replace('http:', 'https:');
  });
  const origin = await servers.serve(metadata, createTlsServer({ key, cert }));
  const { code, found } = await runAsJson({
    ...app.env,
    NODE_EXTRA_CA_CERTS: ca,
    AUTHKIT_ISSUER: origin.replace('http:', 'https:'),
    OAUTH_APP_CLIENT_SECRET: SECRET,
  });
  await rm(folder, { recursive: true, force: true });
  expect(found('issuer')?.status).toBe('ok');
  expect(code).toBe(1);
  expect(received).not.toContain(SECRET);
});

// The doctor behind an outgoing proxy: a real CONNECT proxy with TLS inside.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePort } from '../../support/app/app.ts';
import { diagnose, runAsJson } from '../../support/app/doctor.ts';
import { json } from '../../support/authkit/issuer.ts';
import { startSignInIssuer, type SignInIssuer } from '../../support/authkit/sign-in-issuer.ts';
import {
  BEYOND,
  startForwardProxy,
  type ForwardProxy,
} from '../../support/deploy/forward-proxy.ts';

let folder: string;
let issuer: SignInIssuer;
let proxy: ForwardProxy;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doctor-'));
  const ca = join(folder, 'ca.pem');
  issuer = await startSignInIssuer(`https://${BEYOND}`);
  issuer.vary.token = (_req, res) => json(res, { error: 'invalid_grant' }, 400);
  proxy = await startForwardProxy(issuer.address, ca);
  const port = await freePort();
  env = {
    ...issuer.env,
    BASE_URL: `http://localhost:${port}`,
    SESSION_DB: join(folder, 'sessions.db'),
    NODE_EXTRA_CA_CERTS: ca,
    HTTPS_PROXY: proxy.url,
    HTTP_PROXY: proxy.url,
  };
});
afterEach(() => {
  proxy.mode = 'open';
  proxy.tunnels.splice(0);
});
afterAll(async () => {
  proxy.close();
  await issuer.close();
  await rm(folder, { recursive: true, force: true });
});

it('sends all its requests to the issuer through the proxy', async () => {
  const { found } = await runAsJson(env);
  for (const check of ['issuer', 'metadata', 'keys', 'credentials'])
    expect(found(check)).toMatchObject({ status: 'ok' });
  expect(new Set(proxy.tunnels.map(({ target }) => target))).toEqual(new Set([`${BEYOND}:443`]));
});

it.each<[ForwardProxy['mode'], RegExp]>([
  [407, /does not accept the user and password \(status 407/],
  [403, /refuses \(status 403 for authkit\.test:443\)/],
  ['silent', /does not respond/],
  ['hangs up', /cannot be used/],
])('names the proxy if it responds: %s', async (mode, said) => {
  proxy.mode = mode;
  const { found, problems } = await diagnose(env);
  expect(problems).toEqual(['issuer']);
  expect(found('issuer')?.found).toMatch(said);
  expect(found('issuer')?.found).toContain(`HTTPS_PROXY: the proxy 127.0.0.1:${proxy.port} `);
  expect(found('issuer')?.change).toContain(`or NO_PROXY=${BEYOND}`);
});

it('reports a proxy that is no URL as the app does', async () => {
  const { problems, found } = await diagnose({ ...env, HTTPS_PROXY: 'proxy:3128' });
  expect(problems).toEqual(['settings']);
  expect(found('settings')?.found).toBe('HTTPS_PROXY is not an http or https URL');
});

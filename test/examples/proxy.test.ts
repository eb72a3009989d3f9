// The examples behind an outgoing proxy: a real CONNECT proxy with TLS inside.
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { runExample, startWorld, type World } from '../support/app/examples.ts';
import { json } from '../support/authkit/issuer.ts';
import { startSignInIssuer, type SignInIssuer } from '../support/authkit/sign-in-issuer.ts';
import {
  BEYOND,
  CREDENTIALS,
  PASSWORD,
  startForwardProxy,
  type ForwardProxy,
} from '../support/deploy/forward-proxy.ts';
import { findLeaks } from '../support/reading/leaks.ts';

let world: World;
let issuer: SignInIssuer;
let proxy: ForwardProxy;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  world = await startWorld();
  issuer = await startSignInIssuer(`https://${BEYOND}`);
  const ca = join(world.folder, 'ca.pem');
  proxy = await startForwardProxy(issuer.address, ca);
  env = {
    ...world.env,
    AUTHKIT_ISSUER: issuer.url,
    NODE_EXTRA_CA_CERTS: ca,
    HTTPS_PROXY: proxy.url,
    HTTP_PROXY: proxy.url,
  };
});
beforeEach(() => {
  proxy.mode = 'open';
  proxy.tunnels.splice(0);
});
afterAll(async () => {
  proxy.close();
  await Promise.all([issuer.close(), world.close()]);
});

test('a machine gets its token and calls the API through the proxy', async () => {
  const access_token = await issuer.sign();
  issuer.vary.token = (_req, res) => json(res, { access_token, token_type: 'bearer' });
  issuer.respondAt('/api/me', (_req, res) => json(res, { machine: true }));
  const machine = { M2M_CLIENT_ID: 'client_machine', M2M_CLIENT_SECRET: 'secret' };
  const settings = { ...env, ...machine, API_URL: issuer.url };
  const { code, stdout, stderr } = await runExample('m2m', [], settings).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ machine: true });
  for (const tunnel of proxy.tunnels)
    expect(tunnel).toEqual({ target: `${BEYOND}:443`, credentials: CREDENTIALS });
});

test('the command line says when the proxy refuses, without its password', async () => {
  proxy.mode = 403;
  const { code, stdout, stderr } = await runExample('cli', ['login'], env).ended;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'AuthKit could not be reached. If HTTPS_PROXY is set, check that proxy.\n',
  });
  expect(proxy.tunnels).not.toEqual([]);
  expect(findLeaks({ PASSWORD }, stdout)).toEqual([]);
});

test('the command line refuses a proxy that is not a URL as wrong usage', async () => {
  const wrong = { ...env, HTTPS_PROXY: `user:${PASSWORD}@proxy:80x` };
  const { code, stderr } = await runExample('cli', ['login'], wrong).ended;
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'HTTPS_PROXY must be a URL such as http://host:port.\n',
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { newApp, serve } from '../support/app/bearer-app.ts';
import { runExample, startWorld } from '../support/app/examples.ts';
import type { World } from '../support/app/examples.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

test('a machine calls the API on its own behalf, and the API distinguishes it from a user', async () => {
  const { clientId, clientSecret } = world.authkit.applications.machine;
  const env = { ...world.env, M2M_CLIENT_ID: clientId, M2M_CLIENT_SECRET: clientSecret };
  const { code, stdout, stderr } = await runExample('m2m', [], env).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    machine: true,
    sub: clientId,
    client_id: clientId,
    org_id: expect.stringMatching(/^org_/),
    user: null,
  });
});

test('a wrong secret gives an error that names the settings, and does not contain the secret', async () => {
  const { clientId } = world.authkit.applications.machine;
  const env = { ...world.env, M2M_CLIENT_ID: clientId, M2M_CLIENT_SECRET: 'planted-secret' };
  const { code, stdout, stderr } = await runExample('m2m', [], env).ended;
  expect(code).not.toBe(0);
  expect(stderr).toContain('AuthKit refused M2M_CLIENT_ID or M2M_CLIENT_SECRET (invalid_client).');
  expect(stdout + stderr).not.toContain('planted-secret');
});

test('an API that is out of order gives an error and no output', async () => {
  const { clientId, clientSecret } = world.authkit.applications.machine;
  const api = await serve(newApp().use((_req, res) => void res.status(503).json({ error: 'x' })));
  const ids = { M2M_CLIENT_ID: clientId, M2M_CLIENT_SECRET: clientSecret, API_URL: api.url };
  const { code, stdout, stderr } = await runExample('m2m', [], { ...world.env, ...ids }).ended;
  await api.close();
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('The API responded with status 503.');
});

// Signs in for real, at the local AuthKit, without passwords and without the internet.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startLocalAuthKit, type LocalAuthKit } from '../../development/local-authkit/start.ts';
import { newVisitor, untilReady } from '../../development/local-authkit/test-visitor.ts';

const port = '3456';
const url = `http://localhost:${port}`;
let authKit: LocalAuthKit;

before(async () => {
  authKit = await startLocalAuthKit({ port: 0, redirectUris: [`${url}/callback`] });
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  Object.assign(process.env, {
    AUTHKIT_ISSUER: authKit.issuer,
    OAUTH_APP_CLIENT_ID: clientId,
    OAUTH_APP_CLIENT_SECRET: clientSecrets[0],
    BASE_URL: url,
    PORT: port,
    SESSION_SECRET: 'a secret for nothing but the tests',
  });
  await import('./server.ts');
  await untilReady(url);
});
after(() => authKit.close());

test('the profile needs a signed-in user', async () => {
  const ada = newVisitor(url);
  assert.equal((await ada.fetch('/profile')).status, 401);
  await ada.signIn({ person: 'Ada Lindqvist' });
  assert.match(await (await ada.fetch('/profile')).text(), /Ada Lindqvist/);
  await ada.fetch('/logout', { method: 'POST' });
  assert.equal((await ada.fetch('/profile')).status, 401);
});

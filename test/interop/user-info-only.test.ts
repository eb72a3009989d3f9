// A provider whose ID tokens have no name and no e-mail address, as OpenID Connect Core §5.4 has it
// for a code flow: both are at UserInfo.
import { afterAll, expect, it, onTestFinished, vi } from 'vitest';
import { untilReady } from '../support/app/app.ts';
import { diagnose } from '../support/app/doctor.ts';
import { startStrictApp, useEverything } from '../support/app/strict-app.ts';

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

it('everything works at a provider that has name and e-mail address at UserInfo only', async () => {
  const strict = await startStrictApp(
    {
      client: { client_id: 'client_01', client_secret: 'a-client-secret-of-the-tests' },
      configuration: { claims: { openid: ['sub'] } },
    },
    { OAUTH_CLIENT_AUTH: 'client_secret_basic' },
  );
  onTestFinished(() => strict.close());
  await untilReady(strict.app);
  expect((await diagnose(strict.app.env)).problems).toEqual([]);
  // Its profile page shows the e-mail address.
  await useEverything(strict);
  expect(strict.provider.userInfoRequests).toBe(1);
});

// Without the resource on both requests, AuthKit issues a token that the API refuses (RFC 8707 §2).
import { expect, it } from 'vitest';
import { signIn, startTestApp } from '../../support/app/app.ts';

const RESOURCE = 'https://api.example.com/forum';

it('the authorization and token requests name the resource, so the API accepts the token', async () => {
  const app = await startTestApp({
    env: { OAUTH_RESOURCE: RESOURCE, API_AUDIENCE: RESOURCE },
    authKit: { resources: [RESOURCE] },
  });
  try {
    const browser = await signIn(app, { path: '/api-call' });
    // The API accepts only a token for the resource.
    expect(browser.page?.body).toContain('user_');
    expect(browser.page?.body).toMatch(/Status<\/dt>\s*<dd>[^0-9]*200/);
  } finally {
    await app.close();
  }
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from './support/app.ts';

describe('a sign-in', () => {
  let app: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
  });
  afterAll(() => app.close());

  it('leads from the page that was wanted to AuthKit and back to that page', async () => {
    const browser = await signIn(app);
    expect(browser.page?.url.href).toBe(`${app.url}/profile`);
    expect(browser.page?.body).toContain('bruno.okafor@example.com');
  });
});

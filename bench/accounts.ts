// Signs a user in at a server under test and keeps the cookies; gets an access token of the user.
import { createHash, randomBytes } from 'node:crypto';
import { Browser, type Page } from '../test/support/browser/browser.ts';
import type { World } from './world.ts';

const USER = 'Bruno';

export interface Account {
  cookie: string;
  page: Page;
  browser: Browser;
}

/** Signs in through the local AuthKit, as a user would. @throws Error if that fails */
export async function signIn(
  url: string,
  start: (browser: Browser, url: string) => Promise<Page> = (browser) =>
    browser.open(`${url}/login?return_to=/profile`),
): Promise<Account> {
  const browser = new Browser();
  await start(browser, url);
  await browser.follow(await browser.press(USER));
  const page = await browser.open(`${url}/profile`);
  if (page.status !== 200 || page.url.pathname !== '/profile') {
    throw new Error(`${url}: ${page.status} at ${page.url.pathname} after signing in`);
  }
  const visit = { from: undefined, method: 'GET', isNavigation: true };
  return { cookie: browser.jar.header(page.url, visit), page, browser };
}

/** An access token of the user, from a code flow of the first-party application. */
export async function userToken({ authKit, redirectUri }: World): Promise<string> {
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const verifier = randomBytes(32).toString('base64url');
  const authorize = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid profile email',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const browser = new Browser();
  await browser.open(`${authKit.issuer}/oauth2/authorize?${authorize.toString()}`);
  let page = await browser.press(USER);
  while (page.location && !page.location.href.startsWith(redirectUri))
    page = await browser.get(page.location);
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code: page.location?.searchParams.get('code') ?? '',
    redirect_uri: redirectUri,
    client_id: clientId,
    client_secret: clientSecrets[0] ?? '',
    code_verifier: verifier,
  });
  const response = await fetch(`${authKit.issuer}/oauth2/token`, { method: 'POST', body });
  return ((await response.json()) as { access_token: string }).access_token;
}

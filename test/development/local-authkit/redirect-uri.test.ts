// The local AuthKit's page for an unregistered redirect URI: it helps to find the difference, shows
// the received value as text only, and never redirects to it (RFC 6749 §4.1.2.1).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestAuthKit, type LocalAuthKit } from '../../support/authkit/local-authkit.ts';
import { plainText } from '../../support/browser/forms.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';

let authkit: LocalAuthKit;
let firstParty: LocalClient;

beforeAll(async () => {
  authkit = await startTestAuthKit({ redirectUris: [REDIRECT_URI] });
  firstParty = new LocalClient(authkit.issuer, authkit.applications.firstParty.clientId);
});
afterAll(() => authkit.close());

/** The page's own icon and style sheet. */
const OWN_LINKS = ['href="/_assets/icon.svg"', 'href="/_assets/styles.css"'];

async function refusal(client: LocalClient, redirectUri: string, more = {}): Promise<string> {
  const url = client.authorizationUrl({ ...more, redirect_uri: redirectUri });
  const response = await fetch(url, { redirect: 'manual' });
  expect(response.status).toBe(302);
  const location = new URL(response.headers.get('location') ?? '');
  expect(location.origin + location.pathname).toBe(`${authkit.issuer}/oauth2/error`);
  const page = await fetch(location, { redirect: 'manual' });
  expect(page.status).toBe(200);
  const html = await page.text();
  // An attacker may have chosen the URI: neither a redirect nor a click may lead to it.
  expect(html).not.toMatch(/<(script|img|meta http-equiv|form|iframe|base)\b|<[^>]+\son\w+=/i);
  expect(html.match(/(href|src|action)="[^"]*"/g)).toEqual(OWN_LINKS);
  return html;
}

describe('the page for an unregistered redirect URI', () => {
  it('shows the received URI, the registered ones, and what to do', async () => {
    const page = plainText(await refusal(firstParty, 'http://localhost:3001/callback'));
    expect(page).toContain('Sent http://localhost:3001/callback Registered for Example web');
    expect(page).toContain(`application ${REDIRECT_URI} What to do`);
    expect(page).toContain('correct BASE_URL');
    expect(page).toContain('--redirect-uri');
    expect(page).not.toContain(firstParty.clientId);
    expect(page).toContain('Error code: invalid_redirect_uri');
  });

  it('shows the URIs of the requesting application, or that it has none', async () => {
    const { commandLine, machine } = authkit.applications;
    const tool = new LocalClient(authkit.issuer, commandLine.clientId);
    expect(plainText(await refusal(tool, REDIRECT_URI))).toContain(
      'Example command line http://127.0.0.1/callback What to do',
    );
    const robot = new LocalClient(authkit.issuer, machine.clientId);
    expect(plainText(await refusal(robot, REDIRECT_URI))).toContain('Example machine None:');
  });

  it.each([
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    'http://localhost:3000/callback"onmouseover="alert(1)',
    'javascript:alert(document.cookie)//',
    'data:text/html,<script>alert(1)</script>',
    '</code></p><form action="https://evil.example"><button>Sign in</button></form>',
    'http://localhost:3000/callback?a=<%= 7 * 7 %>&lt;b&gt;',
    'https://evil.example/<meta http-equiv="refresh" content="0;url=https://evil.example">',
  ])('shows a hostile URI as literal text: %s', async (hostile) => {
    const html = await refusal(firstParty, hostile);
    expect(plainText(html)).toContain(`Sent ${hostile.replaceAll(' ', '\\u{20}')} Registered`);
  });

  it.each([
    ['a space', `${REDIRECT_URI} `, `${REDIRECT_URI}\\u{20}`],
    ['a Cyrillic letter', 'http://l\u043ecalhost:3000/callback', 'http://l\\u{43e}calhost:3000/'],
    ['a right-to-left override', 'http://a.example/\u202eb', 'http://a.example/\\u{202e}b'],
    [
      'a line break',
      `${REDIRECT_URI}\r\nSet-Cookie: a=b`,
      '/callback\\u{d}\\u{a}Set-Cookie:\\u{20}a=b',
    ],
    ['an emoji', 'https://\u{1f600}.example/', 'https://\\u{1f600}.example/'],
  ])('spells out characters that look right: %s', async (_, sent, shown) => {
    expect(plainText(await refusal(firstParty, sent))).toContain(shown);
  });

  it('shows no URI for an unknown application', async () => {
    const clientId = '"><script>alert(1)</script>';
    const html = await refusal(firstParty, 'https://evil.example/', { client_id: clientId });
    expect(plainText(html)).toContain('No application of this environment has this client ID.');
    expect(plainText(html)).toContain('set OAUTH_APP_CLIENT_ID to that of the application');
    expect(html).not.toMatch(/evil|alert|Registered|localhost:3000/);
  });

  it.each(['error=', 'error=<script>alert(1)</script>', 'error=a&error=b', ''])(
    'shows only text if it is opened with ?%s',
    async (query) => {
      const page = await fetch(`${authkit.issuer}/oauth2/error?${query}&redirect_uri=javascript:1`);
      expect(page.status).toBe(200);
      const html = await page.text();
      expect(html).toContain('The application sent an invalid request.');
      expect(html).not.toMatch(/<script|javascript:/);
    },
  );

  it('is shown even when the request has other faults', async () => {
    const more = { scope: 'openid nonsense', response_type: 'none', prompt: 'none' };
    expect(plainText(await refusal(firstParty, 'https://evil.example/', more))).toContain(
      'Sent https://evil.example/ Registered',
    );
  });
});

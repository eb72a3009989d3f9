// The local AuthKit's page for a redirect URI that is not registered: it helps to find the difference,
// and whatever was sent is text on it (RFC 6749 §4.1.2.1: no redirect there).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  startLocalAuthKit,
  type LocalAuthKit,
} from '../../../src/development/local-authkit/start.ts';
import { plainText } from '../../support/browser/forms.ts';
import { LocalClient, REDIRECT_URI } from '../../support/authkit/local-client.ts';

let authkit: LocalAuthKit;
let firstParty: LocalClient;

beforeAll(async () => {
  authkit = await startLocalAuthKit({ port: 0, redirectUris: [REDIRECT_URI] });
  firstParty = new LocalClient(authkit.issuer, authkit.applications.firstParty.clientId);
});
afterAll(() => authkit.close());

/** Of the page itself: its icon and its style sheet. */
const OWN_LINKS = ['href="/_assets/icon.svg"', 'href="/_assets/styles.css"'];

async function refusal(client: LocalClient, redirectUri: string, more = {}): Promise<string> {
  const url = client.authorizationUrl({ ...more, redirect_uri: redirectUri });
  const response = await fetch(url, { redirect: 'manual' });
  expect(response.status).toBe(400);
  expect(response.headers.get('location')).toBeNull();
  const html = await response.text();
  // Whoever made the request has chosen that address: nothing leads there by itself or by a click.
  expect(html).not.toMatch(/<(script|img|meta http-equiv|form|iframe|base)\b|<[^>]+\son\w+=/i);
  expect(html.match(/(href|src|action)="[^"]*"/g)).toEqual(OWN_LINKS);
  return html;
}

describe('the page for a redirect URI that is not registered', () => {
  it('shows the one sent, those of this application, and what to do', async () => {
    const page = plainText(await refusal(firstParty, 'http://localhost:3001/callback'));
    expect(page).toContain('Sent http://localhost:3001/callback Registered for Example web');
    expect(page).toContain(`application ${REDIRECT_URI} What to do`);
    expect(page).toContain('correct BASE_URL');
    expect(page).toContain('--redirect-uri');
    expect(page).not.toContain(firstParty.clientId);
  });

  it('shows those of another application where that has others, or none', async () => {
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
  ])('shows a hostile one as text, to the letter: %s', async (hostile) => {
    const html = await refusal(firstParty, hostile);
    expect(plainText(html)).toContain(`Sent ${hostile.replaceAll(' ', '\\u{20}')} Registered`);
  });

  it.each([
    ['a blank', `${REDIRECT_URI} `, `${REDIRECT_URI}\\u{20}`],
    ['a Cyrillic letter', 'http://l\u043ecalhost:3000/callback', 'http://l\\u{43e}calhost:3000/'],
    ['a change of direction', 'http://a.example/\u202eb', 'http://a.example/\\u{202e}b'],
    [
      'a line break',
      `${REDIRECT_URI}\r\nSet-Cookie: a=b`,
      '/callback\\u{d}\\u{a}Set-Cookie:\\u{20}a=b',
    ],
    ['another plane', 'https://\u{1f600}.example/', 'https://\\u{1f600}.example/'],
  ])('spells out what looks right and is not: %s', async (_, sent, shown) => {
    expect(plainText(await refusal(firstParty, sent))).toContain(shown);
  });

  it('shows nothing of an application that it does not know', async () => {
    const clientId = '"><script>alert(1)</script>';
    const html = await refusal(firstParty, 'https://evil.example/', { client_id: clientId });
    expect(plainText(html)).toContain('No application of this environment has this client ID.');
    expect(html).not.toMatch(/evil|alert|Registered|localhost:3000/);
  });

  it('is a page of its own also where the request has other faults', async () => {
    const more = { scope: 'openid nonsense', response_type: 'none', prompt: 'none' };
    expect(plainText(await refusal(firstParty, 'https://evil.example/', more))).toContain(
      'Sent https://evil.example/ Registered',
    );
  });
});

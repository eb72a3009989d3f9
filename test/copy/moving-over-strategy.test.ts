// The second table of docs/moving-over.md, on the passport strategy of openid-client 6 without this
// project: each row is proved with a real app and issuer, and the names in it exist.
import * as openidClient from 'openid-client';
import { Strategy, type VerifyFunction } from 'openid-client/passport';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startBareStrategy, type BareOptions } from '../support/app/bare-strategy.ts';
import { Browser } from '../support/browser/browser.ts';
import { makeKey } from '../support/authkit/issuer.ts';
import { inlineCode, readText, section, tableRows } from '../support/reading/markdown.ts';
import {
  CLIENT_ID,
  startSignInIssuer,
  type SignInIssuer,
} from '../support/authkit/sign-in-issuer.ts';

const page = section(
  readText('docs/moving-over.md'),
  'From the passport strategy of openid-client 5',
);

let issuer: SignInIssuer;
let browser: Browser;
const running: (() => Promise<void>)[] = [];

beforeAll(async () => {
  issuer = await startSignInIssuer();
});
beforeEach(() => {
  issuer.vary = {
    metadata: { code_challenge_methods_supported: ['S256'] },
    // The bare strategy sends no nonce.
    idToken: { nonce: undefined },
  };
  browser = new Browser();
});
afterEach(() => Promise.all(running.splice(0).map((close) => close())));
afterAll(() => issuer.close());

async function start(options?: BareOptions): Promise<string> {
  const bare = await startBareStrategy(issuer.url, options);
  running.push(() => bare.close());
  return bare.url;
}

const takesNoString = async () => {
  const discovery = Reflect.apply(openidClient.discovery, undefined, [issuer.url, CLIENT_ID]);
  await expect(discovery).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
};

const givesVerifyTwo = async () => {
  const given: unknown[][] = [];
  const verify: VerifyFunction = (...all: unknown[]) => {
    given.push(all);
    Reflect.apply(Object(all[2]), undefined, [null, {}]);
  };
  const url = await start({ verify });
  expect((await browser.open(`${url}/login`)).status).toBe(500);
  expect(given[0]).toHaveLength(2);
};

const sendsNoRedirectUri = async () => {
  const url = await start({ withCallbackUrl: false });
  const sent = (await browser.get(`${url}/login`)).location?.searchParams;
  expect(sent?.get('client_id')).toBe(CLIENT_ID);
  expect(sent?.has('redirect_uri')).toBe(false);
};

const sendsNeither = async () => {
  const url = await start();
  const { location } = await browser.get(`${url}/login`);
  const sent = [...(location?.searchParams.keys() ?? [])];
  expect(sent).toContain('code_challenge');
  expect(sent).not.toContain('state');
  expect(sent).not.toContain('nonce');
};

const decidesByTheQuery = async () => {
  const url = await start();
  expect((await browser.get(`${url}/login?code=x`)).status).toBe(401);
  expect((await browser.get(`${url}/callback`)).location?.origin).toBe(issuer.url);
};

const keepsOneAttempt = async () => {
  const url = await start();
  const first = await browser.get(`${url}/login`);
  expect((await browser.open(`${url}/login`)).status).toBe(200);
  expect((await browser.follow(first)).status).toBe(401);
  const real = await browser.get(`${url}/login`);
  await browser.get(`${url}/callback?error=forged`);
  expect((await browser.follow(real)).status).toBe(401);
};

const failsBarely = async () => {
  const url = await start();
  const { status, body } = await browser.get(`${url}/callback?code=x`);
  expect([status, body]).toEqual([401, 'Unauthorized']);
  await browser.get(`${url}/login`);
  expect((await browser.get(`${url}/callback?error=server_error`)).status).toBe(500);
};

const losesTheWayBack = async () => {
  const url = await start();
  await browser.get(`${url}/way-back`);
  const { body } = await browser.open(`${url}/login`);
  expect(JSON.parse(body)).toEqual({ sub: 'user_01', session: ['cookie', 'passport'] });
};

const verifiesNoSignature = async () => {
  issuer.vary = { ...issuer.vary, idTokenKey: await makeKey() };
  expect((await browser.open(`${await start()}/login`)).status).toBe(200);
  const checking = await start({ checkSignature: true });
  expect((await new Browser().open(`${checking}/login`)).status).toBe(500);
};

const happenings: [otherwise: string, happens: () => Promise<void>][] = [
  ['a string throws', takesNoString],
  ['a verify with three parameters ends as a 500', givesVerifyTwo],
  ['no `redirect_uri` is sent', sendsNoRedirectUri],
  ['against an issuer that lists S256, neither is sent', sendsNeither],
  ['is taken for a callback, a bare `/callback` starts one', decidesByTheQuery],
  ['a second tab breaks the first; a forged callback burns the real one', keepsOneAttempt],
  ['failures end as a bare 401 or a 500', failsBarely],
  ['makes a new session, and the way back is lost', losesTheWayBack],
  ["the ID token's signature is not verified", verifiesNoSignature],
];

test.each(happenings)('the bare strategy without the advice: %s', (_otherwise, happens) =>
  happens(),
);

test('the tests cover every row of the table', () => {
  const said = tableRows(page).map(([, otherwise]) => otherwise);
  expect(said).toEqual(happenings.map(([otherwise]) => expect.stringContaining(otherwise)));
});

test('the table names exports that openid-client 6 has, and one that it no longer has', () => {
  const codes = inlineCode(page).map((code) => code.split('(')[0] ?? '');
  const exported = Object.keys(openidClient);
  expect(codes).toEqual(expect.arrayContaining(['discovery', 'enableNonRepudiationChecks']));
  expect(exported).toEqual(expect.arrayContaining(['discovery', 'enableNonRepudiationChecks']));
  expect(codes).toContain('Issuer.discover');
  expect(exported).not.toContain('Issuer');
  expect(codes).toContain('authorizationRequestParams');
  expect(Object.getOwnPropertyNames(Strategy.prototype)).toContain('authorizationRequestParams');
});

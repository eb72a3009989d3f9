// Authorization responses that were changed on the way. Each row has the change, the outcome for a
// visitor and the outcome for a signed-in user. A refused response must not spend the genuine one,
// or a link with a made-up query would break a pending sign-in.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signIn, startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';
import {
  authorizationResponseFor,
  codeOn,
  outcome,
  whoIs,
  withParameters,
  type Outcome,
} from '../../support/browser/callback.ts';

let app: TestApp;
beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.close());

type Change = Record<string, string | string[]>;
const HOME: Outcome = [303, '/'];

const INVALID: Outcome = [400, 'callback_invalid'];
const OTHER_ATTEMPT: Outcome = [400, 'state_mismatch'];
const DENIED: Outcome = [403, 'access_denied'];
const UNSUITABLE: Outcome = [400, 'authorization_refused'];
const AWAY: Outcome = [503, 'issuer_unreachable'];
const BAD_CODE: Outcome = [400, 'code_refused'];
const OTHER_ISSUER: Outcome = [400, 'issuer_response_mismatch'];

const rows: [string, Change, Outcome, Outcome][] = [
  ['nothing at all', { code: [], state: [] }, INVALID, HOME],
  ['no code and no error', { code: [] }, INVALID, HOME],
  ['an empty code', { code: '' }, INVALID, HOME],
  ['code and error', { error: 'access_denied' }, INVALID, HOME],
  ['code twice', { code: ['a', 'b'] }, INVALID, HOME],
  ['state twice', { state: ['a', 'b'] }, INVALID, HOME],
  ['error twice', { code: [], error: ['access_denied', 'access_denied'] }, INVALID, HOME],
  ['a JARM response', { response: 'eyJ' }, INVALID, HOME],
  ['no state', { state: [] }, [400, 'attempt_missing'], HOME],
  ['another state', { state: 'not-the-state' }, OTHER_ATTEMPT, HOME],
  [
    'an error under another state',
    { code: [], error: 'access_denied', state: 'x' },
    OTHER_ATTEMPT,
    HOME,
  ],
  ['a mangled code', { code: 'not-the-code' }, BAD_CODE, BAD_CODE],
  ['another issuer', { iss: 'https://evil.example' }, OTHER_ISSUER, OTHER_ISSUER],
  ['access_denied', { code: [], error: 'access_denied' }, DENIED, DENIED],
  ['invalid_scope', { code: [], error: 'invalid_scope' }, UNSUITABLE, UNSUITABLE],
  ['an unknown error', { code: [], error: 'evil<b>' }, UNSUITABLE, UNSUITABLE],
  ['server_error', { code: [], error: 'server_error' }, AWAY, AWAY],
  ['temporarily_unavailable', { code: [], error: 'temporarily_unavailable' }, AWAY, AWAY],
];

describe.each(rows)(
  'an authorization response with %s',
  (_input, change, forVisitors, forSignedIn) => {
    it('is refused, and the genuine response still signs in', async () => {
      const browser = new Browser();
      const response = await authorizationResponseFor(app, browser);
      const changed = withParameters(response, change);
      expect(await outcome(browser, changed)).toEqual(forVisitors);
      expect(browser.jar.find('session')).toBeUndefined();
      expect(await outcome(browser, response)).toEqual([303, '/profile']);
      expect(await whoIs(browser, app)).toBe('Bruno Okafor');
    });

    it('leaves the signed-in user as they were', async () => {
      const browser = await signIn(app, { person: 'Ada' });
      const response = await authorizationResponseFor(app, browser, { returnTo: '/sessions' });
      const changed = withParameters(response, change);
      expect(await outcome(browser, changed)).toEqual(forSignedIn);
      expect(await whoIs(browser, app)).toBe('Ada Lindqvist');
      expect(await outcome(browser, response)).toEqual([303, '/sessions']);
    });
  },
);

describe('access_denied without a state', () => {
  it('shows access_denied, not that another browser started the sign-in', async () => {
    const page = await new Browser().get(`${app.url}/callback?error=access_denied`);
    expect([page.status, codeOn(page)]).toEqual([403, 'access_denied']);
    expect(page.body).toContain('canceled');
  });
});

// The client secret, found out by exchanging a code that does not exist.
import type { Config } from '../../config/config.ts';
import { postForm, type Answer } from './http.ts';
import { ok, problem, warning, type Finding } from './report.ts';

type AuthKit = NonNullable<Config['authKit']>;

export interface Credentials {
  finding: Finding;
  /** Whether the token endpoint knows this client; undefined where it did not say. */
  isAuthenticated: boolean | undefined;
}

/**
 * Takes the settings and the token endpoint; returns what that thinks of the credentials. RFC 6749
 * §4.1.3, §5.2: the client is authenticated before its code is looked at, so a wrong code tells
 * right credentials (`invalid_grant`) from wrong ones (`invalid_client`).
 */
export async function checkCredentials(
  { baseUrl }: Config,
  { clientId, clientSecret }: AuthKit,
  endpoint: URL,
): Promise<Credentials> {
  const exchange = (secret?: string) =>
    postForm(endpoint, {
      grant_type: 'authorization_code',
      code: 'doctor-probe',
      redirect_uri: new URL('/callback', baseUrl).href,
      code_verifier: 'doctor-probe-verifier-0123456789-0123456789-0123456789',
      client_id: clientId,
      ...(secret !== undefined && { client_secret: secret }),
    });
  const answer = await exchange(clientSecret);
  if (isAccepted(answer)) {
    const how = clientSecret === undefined ? 'accepted as a Public application' : 'secret accepted';
    return { finding: ok('credentials', how), isAuthenticated: true };
  }
  if (!isRefused(answer)) {
    const what = answer.silence ?? `HTTP ${answer.status} ${JSON.stringify(errorOf(answer) ?? '')}`;
    const found = `not looked at; the token endpoint: ${what}`;
    return { finding: warning('credentials', found), isAuthenticated: undefined };
  }
  if (clientSecret === undefined) return { finding: MISSING, isAuthenticated: false };
  const isPublic = isAccepted(await exchange());
  return { finding: isPublic ? NEEDLESS : refused(clientSecret), isAuthenticated: isPublic };
}

const errorOf = ({ json }: Answer) => json?.['error'];
const isAccepted = (answer: Answer) => errorOf(answer) === 'invalid_grant';
const isRefused = (answer: Answer) =>
  errorOf(answer) === 'invalid_client' || errorOf(answer) === 'unauthorized_client';

const MISSING = problem(
  'credentials',
  'this application has a secret, and none is set',
  'OAUTH_APP_CLIENT_SECRET=<one of its secrets>',
);

const NEEDLESS = problem(
  'credentials',
  'a secret is set, but this is a Public application',
  'OAUTH_APP_CLIENT_SECRET: leave it out',
);

/** WorkOS's API keys are mistaken for it; a secret of an application is 64 hexadecimal digits. */
function refused(secret: string): Finding {
  const form = /^[0-9a-f]{64}$/i.test(secret) ? '' : '; its form is not that of a client secret';
  const change = 'OAUTH_APP_CLIENT_SECRET=<a new secret of this application, from the dashboard>';
  return problem('credentials', `the secret is refused${form}`, change);
}

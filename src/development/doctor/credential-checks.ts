// Checks the client secret by exchanging a code that does not exist.
import type { ServerMetadata } from 'openid-client';
import { chooseAuthentication } from '../../auth/client-authentication.ts';
import type { Config } from '../../config/config.ts';
import { errorCode, type Http, type HttpResponse } from './http.ts';
import { ok, problem, warning, type Finding } from './report.ts';

type AuthKit = NonNullable<Config['authKit']>;
type Method = NonNullable<AuthKit['clientAuthentication']>;

export interface Credentials {
  finding: Finding;
  /** Whether the token endpoint authenticates this client; undefined if the response is unclear. */
  isAuthenticated: boolean | undefined;
}

/**
 * Takes the settings and the token endpoint; returns whether the endpoint accepts the credentials.
 * The client is authenticated before its code is checked (RFC 6749 §4.1.3, §5.2): for a wrong code,
 * the error is `invalid_grant` with right credentials and `invalid_client` with wrong ones.
 */
export async function checkCredentials(
  { baseUrl }: Config,
  { clientId, clientSecret, clientAuthentication: configured }: AuthKit,
  metadata: ServerMetadata,
  http: Http,
): Promise<Credentials> {
  const exchange = (secret?: string, wanted?: Method) => {
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code: 'doctor-probe',
      redirect_uri: new URL('/callback', baseUrl).href,
      code_verifier: 'doctor-probe-verifier-0123456789-0123456789-0123456789',
    });
    const headers = new Headers();
    const { authenticate } = chooseAuthentication(secret, wanted, metadata);
    authenticate(metadata, { client_id: clientId }, body, headers);
    return http.postForm(new URL(String(metadata.token_endpoint)), body, headers);
  };
  const { method } = chooseAuthentication(clientSecret, configured, metadata);
  const response = await exchange(clientSecret, configured);
  if (isAccepted(response)) {
    const how =
      clientSecret === undefined
        ? 'accepted as a Public application'
        : `secret accepted (${method})`;
    return { finding: ok('credentials', how), isAuthenticated: true };
  }
  if (!isRefused(response)) {
    const reason = response.failure ?? `HTTP ${response.status} ${errorOf(response) ?? ''}`.trim();
    const found = `not checked; token endpoint: ${reason}`;
    return { finding: warning('credentials', found), isAuthenticated: undefined };
  }
  const { token_endpoint_auth_methods_supported: listed = [] } = metadata;
  if (listed.length > 0 && !listed.some((name) => BY_SETTING.test(name)))
    return { finding: onlyInCopy(listed), isAuthenticated: undefined };
  if (clientSecret === undefined) return { finding: missing(listed), isAuthenticated: false };
  const other = method === 'client_secret_post' ? 'client_secret_basic' : 'client_secret_post';
  if (isAccepted(await exchange(clientSecret, other))) {
    const found = `the secret is refused by ${method} and accepted by ${other}`;
    const finding = problem('credentials', found, `OAUTH_CLIENT_AUTH=${other}`);
    return { finding, isAuthenticated: true };
  }
  const isPublic = isAccepted(await exchange());
  const finding = isPublic ? SUPERFLUOUS : refused(clientSecret, `${method} and by ${other}`);
  return { finding, isAuthenticated: isPublic };
}

const errorOf = ({ json }: HttpResponse) => errorCode(json?.['error']);
// AuthKit responds to a Public application with `invalid_code`.
const isAccepted = (response: HttpResponse) =>
  errorOf(response) === 'invalid_grant' || errorOf(response) === 'invalid_code';
const isRefused = (response: HttpResponse) =>
  errorOf(response) === 'invalid_client' || errorOf(response) === 'unauthorized_client';

/** The methods that the settings can choose. */
const BY_SETTING = /^(?:client_secret_post|client_secret_basic|none)$/;
const IN_A_COPY = 'set clientAuthentication of createAuth in a copy (docs/other-providers.md)';

const onlyInCopy = (listed: readonly string[]) =>
  warning('credentials', `not checked: the issuer takes ${listed.join(', ')} only`, IN_A_COPY);

function missing(listed: readonly string[]): Finding {
  const change = 'OAUTH_APP_CLIENT_SECRET=<one of its secrets>';
  const takesKeys = listed.includes('private_key_jwt');
  return takesKeys
    ? problem('credentials', 'refused without client authentication', `${change}, or ${IN_A_COPY}`)
    : problem('credentials', 'this application has a secret, but none is set', change);
}

const SUPERFLUOUS = problem(
  'credentials',
  'a secret is set, but this is a Public application',
  'OAUTH_APP_CLIENT_SECRET: remove it',
);

/** A WorkOS API key is a common mistake; a client secret has 64 hexadecimal digits. */
function refused(secret: string, tried: string): Finding {
  const form = /^[0-9a-f]{64}$/i.test(secret) ? '' : '; it does not look like a client secret';
  const change = 'OAUTH_APP_CLIENT_SECRET=<a new secret of this application, from the dashboard>';
  return problem('credentials', `the secret is refused, by ${tried}${form}`, change);
}

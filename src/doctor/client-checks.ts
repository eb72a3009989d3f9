// The application as the issuer knows it, found out with probes that need no user: a request to
// sign in beside two that must fail, and an exchange of a code that does not exist.
import { decodeJwt } from 'jose';
import type { Config } from '../config.ts';
import { ask, postForm, type Answer } from './http.ts';
import type { Metadata } from './issuer-checks.ts';
import { ok, problem, warning, type Finding } from './report.ts';

type AuthKit = NonNullable<Config['authKit']>;

const BUILT_IN = ['openid', 'profile', 'email', 'offline_access'];

export async function checkClient(
  config: Config,
  authKit: AuthKit,
  metadata: Metadata,
): Promise<Finding[]> {
  return [
    ...(await checkRegistration(config, authKit, metadata)),
    await checkSecret(config, authKit, metadata),
    checkScopes(config, metadata),
  ];
}

/** Client id and redirect URI: what the real request gets, against what a wrong one gets. */
async function checkRegistration(config: Config, { clientId }: AuthKit, metadata: Metadata) {
  const redirectUri = new URL('/callback', config.baseUrl).href;
  const endpoint = String(metadata['authorization_endpoint']);
  const probe = (client: string, redirect: string) =>
    ask(authorizationUrl(endpoint, client, redirect, config.scope)).then((answer) =>
      kindOf(answer, redirectUri),
    );
  const [real, otherClient, otherRedirect] = await Promise.all([
    probe(clientId, redirectUri),
    probe(`${clientId}_unknown`, redirectUri),
    probe(clientId, 'https://doctor.invalid/callback'),
  ]);
  const registration = `BASE_URL, or WorkOS dashboard: register ${redirectUri} at this application`;
  if (real === 'no answer') {
    return [problem('client id', 'the authorization endpoint does not answer', 'try again later')];
  }
  if (real.startsWith('error ')) {
    const change = 'OAUTH_SCOPE: ask only for scopes of this application';
    return [problem('client id', `AuthKit refuses the request: ${real.slice(6)}`, change)];
  }
  if (real === 'goes on') {
    return [
      ok('client id', 'known to the issuer'),
      ok('redirect URI', `${redirectUri} is registered`),
    ];
  }
  // Refused without a redirect: the client or its redirect URI. Which one, the other probes tell.
  if (otherClient === otherRedirect) {
    const found = 'AuthKit refuses this client id or redirect URI';
    return [problem('client id', found, `OAUTH_APP_CLIENT_ID, or ${registration}`)];
  }
  return real === otherClient
    ? [
        problem(
          'client id',
          'unknown to the issuer',
          'OAUTH_APP_CLIENT_ID=<the id shown in the dashboard>',
        ),
      ]
    : [problem('redirect URI', `${redirectUri} is not registered`, registration)];
}

function authorizationUrl(endpoint: string, client: string, redirect: string, scope: string): URL {
  const url = new URL(endpoint);
  url.search = new URLSearchParams({
    client_id: client,
    redirect_uri: redirect,
    response_type: 'code',
    scope,
    state: 'doctor-probe-state',
    nonce: 'doctor-probe-nonce',
    // S256 of a verifier that is never used: the probe ends before a code is issued.
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    prompt: 'login',
  }).toString();
  return url;
}

/** What an answer amounts to: on to a sign-in screen, back to us with an error, or a refusal. */
function kindOf(answer: Answer | undefined, redirectUri: string): string {
  if (!answer) return 'no answer';
  const location = answer.headers.get('location') ?? '';
  if (location.startsWith(`${redirectUri}?`)) {
    return `error ${new URL(location).searchParams.get('error') ?? ''}`;
  }
  const target = URL.canParse(location) ? new URL(location).pathname : '';
  if (/invalid|error/i.test(target)) return `refused ${target}`;
  if (answer.status >= 400) return `refused ${answer.status} ${titleOf(answer.text)}`;
  return 'goes on';
}

const titleOf = (html: string) => (/<h1[^>]*>(.*?)<\/h1>/s.exec(html)?.[1] ?? '').trim();

/** RFC 6749 §5.2: credentials are checked before the code, so a wrong code tells them apart. */
async function checkSecret(config: Config, authKit: AuthKit, metadata: Metadata): Promise<Finding> {
  const { clientId, clientSecret } = authKit;
  const answer = await postForm(new URL(String(metadata['token_endpoint'])), {
    grant_type: 'authorization_code',
    code: 'doctor-probe',
    redirect_uri: new URL('/callback', config.baseUrl).href,
    code_verifier: 'doctor-probe-verifier-0123456789-0123456789-0123456789',
    client_id: clientId,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
  });
  const error = answer?.json?.['error'];
  if (error === 'invalid_grant') {
    const how = clientSecret === undefined ? 'accepted as a Public application' : 'secret accepted';
    return ok('credentials', how);
  }
  if (error === 'invalid_client' || error === 'unauthorized_client') {
    return clientSecret === undefined
      ? problem(
          'credentials',
          'this application has a secret',
          'OAUTH_APP_CLIENT_SECRET=<one of its secrets>',
        )
      : problem(
          'credentials',
          'the secret is refused',
          'OAUTH_APP_CLIENT_SECRET=<a new secret from the dashboard>',
        );
  }
  const found = answer
    ? `the token endpoint says ${String(error)}`
    : 'the token endpoint is silent';
  return warning('credentials', found);
}

function checkScopes({ scope }: Config, metadata: Metadata): Finding {
  const asked = scope.split(' ');
  const supported = metadata['scopes_supported'];
  const permissions = asked.filter((name) => !BUILT_IN.includes(name));
  const unknown = Array.isArray(supported)
    ? asked.filter((name) => BUILT_IN.includes(name) && !supported.includes(name))
    : [];
  if (unknown.length > 0) {
    return problem('scopes', `not supported: ${unknown.join(' ')}`, 'OAUTH_SCOPE: leave them out');
  }
  if (!asked.includes('offline_access')) {
    const found = 'without offline_access there is no fresh access token after the first';
    return warning('scopes', found, `OAUTH_SCOPE=${scope} offline_access`);
  }
  return permissions.length === 0
    ? ok('scopes', scope)
    : warning(
        'scopes',
        `permissions must be assigned to the application: ${permissions.join(' ')}`,
      );
}

/** API_AUDIENCE against a real access token, where one was given; its claims are only read. */
export function checkAudience(config: Config, issuer: URL, accessToken?: string): Finding {
  const accepted = config.apiAudience ?? [config.resource ?? config.authKit?.clientId ?? ''];
  if (accessToken === undefined) {
    return config.apiAudience || config.resource !== undefined
      ? ok('audience', `the API accepts ${accepted.join(', ')}; not compared with a token`)
      : warning(
          'audience',
          'the API accepts the application’s client id, which AuthKit puts into no access token',
          'API_AUDIENCE=<the environment’s client id, shown in the dashboard>',
        );
  }
  let claims;
  try {
    claims = decodeJwt(accessToken);
  } catch {
    return problem(
      'audience',
      'the given access token is no JWT',
      'give an access token of AuthKit',
    );
  }
  if (!URL.canParse(claims.iss ?? '') || new URL(claims.iss ?? '').href !== issuer.href) {
    return problem(
      'audience',
      'the given token is of another issuer',
      'AUTHKIT_ISSUER, or another token',
    );
  }
  const audiences = [claims.aud ?? []].flat();
  return audiences.some((audience) => accepted.includes(audience))
    ? ok('audience', `${audiences.join(', ')}, as in the given token`)
    : problem(
        'audience',
        `the token is for ${audiences.join(', ')}`,
        `API_AUDIENCE=${audiences[0] ?? ''}`,
      );
}

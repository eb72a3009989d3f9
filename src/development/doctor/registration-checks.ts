// Checks that the issuer knows the client id and the redirect URI. AuthKit was seen to name a wrong
// one in a redirect to its error page, but does not document it. If the response names neither, it
// is compared with those to a made-up client id and to a made-up redirect URI. If both of these look
// the same, the token endpoint decides.
import { isLoopbackHttp } from '../../auth/index.ts';
import type { Config } from '../../config/config.ts';
import type { Http } from './http.ts';
import { probe, type Outcome, type Request } from './authorization-probe.ts';
import { ok, problem, warning, type Finding } from './report.ts';

/** The outcomes of the real request, and of the request with one made-up value. */
interface Outcomes {
  real: Outcome;
  madeUpClient: Outcome;
  madeUpRedirect: Outcome;
}

const OF_APPLICATION =
  'OAUTH_APP_CLIENT_ID=<client id of the Connect application, not of the environment>';
const UNKNOWN_CLIENT = problem('client id', 'unknown to the issuer', OF_APPLICATION);
/** API_AUDIENCE is then right. */
export const ENVIRONMENT_CLIENT = problem(
  'client id',
  'unknown to the issuer as an application: API_AUDIENCE has it too, so it is the environment’s',
  OF_APPLICATION,
);

/** Whether, after this finding, checking the secret makes no sense. */
export const isUnknownClient = (finding: Finding) =>
  finding === UNKNOWN_CLIENT || finding === ENVIRONMENT_CLIENT;

/**
 * Takes the settings, the authorization endpoint, and whether the token endpoint accepts the
 * credentials (undefined: unknown). Returns the findings about client id and redirect URI, and
 * about other reasons to refuse the request (RFC 6749 §4.1.2.1, RFC 8707 §2).
 */
export async function checkRegistration(
  { baseUrl, scope, resource, apiAudience }: Config,
  clientId: string,
  endpoint: URL,
  isAuthenticated: boolean | undefined,
  http: Http,
): Promise<Finding[]> {
  const redirectUri = new URL('/callback', baseUrl).href;
  const request: Request = { clientId, redirectUri, scope, resource };
  const [real, madeUpClient, madeUpRedirect] = await Promise.all([
    probe(http, endpoint, request),
    probe(http, endpoint, { ...request, clientId: 'client_made_up_by_doctor' }),
    probe(http, endpoint, { ...request, redirectUri: 'https://doctor.invalid/callback' }),
  ]);
  const outcomes = { real, madeUpClient, madeUpRedirect };
  if (real.kind === 'refused') {
    const change = howToRegister(redirectUri, endpoint);
    const named = NAMED.get(real.detail);
    if (real.detail !== '' && !named) return [refusedRequest(real.detail)];
    const unknown = named ?? findUnknown(outcomes, isAuthenticated);
    if (unknown === 'client id' && apiAudience?.includes(clientId)) return [ENVIRONMENT_CLIENT];
    return refused(redirectUri, change, unknown);
  }
  if (real.kind === 'accepted') return compareWithMadeUp(redirectUri, outcomes);
  if (real.kind === 'error') {
    return [KNOWN_CLIENT, registered(redirectUri), refusedRequest(real.detail)];
  }
  const found = `not checked; authorization endpoint: ${real.detail}`;
  return [warning('client id', found, 'run the doctor again later')];
}

type Unknown = 'client id' | 'redirect URI' | 'one of them';

/** The names at AuthKit's error page. */
const NAMED = new Map<string, Unknown>([
  ['application_not_found', 'client id'],
  ['invalid_redirect_uri', 'redirect URI'],
]);

function findUnknown(outcomes: Outcomes, isAuthenticated: boolean | undefined): Unknown {
  const { real, madeUpClient, madeUpRedirect } = outcomes;
  // If the two made-up requests get different pages, the client id is known.
  if (madeUpClient.fingerprint !== madeUpRedirect.fingerprint) {
    if (real.fingerprint === madeUpRedirect.fingerprint) return 'redirect URI';
    if (real.fingerprint === madeUpClient.fingerprint) return 'client id';
  }
  // If they look the same, the client is unknown, or the pages never give a reason. A client that
  // the token endpoint has authenticated is known (RFC 6749 §5.2).
  if (isAuthenticated) return 'redirect URI';
  const isClientUnknown = isAuthenticated === false && !/redirect/i.test(real.fingerprint);
  return isClientUnknown ? 'client id' : 'one of them';
}

/** RFC 6749 §3.1.2.3: simple string comparison, so the message has the whole URI to copy. */
function howToRegister(redirectUri: string, endpoint: URL): string {
  const where = isLoopbackHttp(endpoint)
    ? `local AuthKit: start it with --redirect-uri ${redirectUri}`
    : `WorkOS dashboard: add the redirect URI ${redirectUri}`;
  return `BASE_URL=<the origin whose /callback is registered>, or ${where}`;
}

function refused(redirectUri: string, change: string, unknown: Unknown): Finding[] {
  switch (unknown) {
    case 'client id':
      return [UNKNOWN_CLIENT];
    case 'redirect URI': {
      const found = `${redirectUri} is not registered for this application`;
      return [KNOWN_CLIENT, problem('redirect URI', found, change)];
    }
    case 'one of them': {
      const found = 'AuthKit refuses the client id or the redirect URI and does not say which';
      return [problem('client id', found, `${UNKNOWN_CLIENT.change}; or ${change}`)];
    }
    default:
      return unknown satisfies never;
  }
}

/** If a made-up value gets the same response, the response proves nothing. */
function compareWithMadeUp(redirectUri: string, outcomes: Outcomes): Finding[] {
  const { real, madeUpClient, madeUpRedirect } = outcomes;
  const isClientProven = real.fingerprint !== madeUpClient.fingerprint;
  const isRedirectProven = real.fingerprint !== madeUpRedirect.fingerprint;
  return [
    isClientProven ? KNOWN_CLIENT : notProven('client id'),
    isRedirectProven ? registered(redirectUri) : notProven('redirect URI'),
  ];
}

const notProven = (check: string) =>
  warning(check, `cannot be checked: AuthKit responds the same way to a made-up ${check}`);
const KNOWN_CLIENT = ok('client id', 'known to the issuer');
const registered = (redirectUri: string) => ok('redirect URI', `${redirectUri} is registered`);

function refusedRequest(error: string): Finding {
  const found = `AuthKit refuses the request: ${error}`;
  if (error === 'invalid_scope') {
    return problem('scopes', found, 'OAUTH_SCOPE: request only scopes of this application');
  }
  return error === 'invalid_target'
    ? problem('resource', found, 'OAUTH_RESOURCE: set a resource indicator of this environment')
    : problem('request', found, 'WorkOS dashboard: check that this application is of type OAuth');
}

// The application as the issuer knows it: client id and redirect URI. No document of AuthKit says
// how it reports a wrong one, so its answer is compared with those to a made-up client id and to a
// made-up redirect URI, and where those are alike, the token endpoint has the last word.
import { isLoopbackHttp } from '../../auth/index.ts';
import type { Config } from '../../config/config.ts';
import { probe, type Outcome, type Request } from './authorization-probe.ts';
import { ok, problem, warning, type Finding } from './report.ts';

/** The answers to the request as it is, and with one of its two values made up. */
interface Outcomes {
  real: Outcome;
  otherClient: Outcome;
  otherRedirect: Outcome;
}

/** The one finding after which no secret is worth a look. */
export const UNKNOWN_CLIENT = problem(
  'client id',
  'unknown to the issuer',
  'OAUTH_APP_CLIENT_ID=<client id of the Connect application, not of the environment>',
);

/**
 * Takes the settings, the authorization endpoint, and whether the token endpoint accepts the
 * credentials (undefined: not known). Returns what there is to say of client id and redirect URI,
 * and of what else the request is refused for (RFC 6749 §4.1.2.1, RFC 8707 §2).
 */
export async function checkRegistration(
  { baseUrl, scope, resource }: Config,
  clientId: string,
  endpoint: URL,
  isAuthenticated: boolean | undefined,
): Promise<Finding[]> {
  const redirectUri = new URL('/callback', baseUrl).href;
  const request: Request = { clientId, redirectUri, scope, resource };
  const [real, otherClient, otherRedirect] = await Promise.all([
    probe(endpoint, request),
    probe(endpoint, { ...request, clientId: 'client_made_up_by_doctor' }),
    probe(endpoint, { ...request, redirectUri: 'https://doctor.invalid/callback' }),
  ]);
  const outcomes = { real, otherClient, otherRedirect };
  if (real.kind === 'refused') {
    const register = howToRegister(redirectUri, endpoint);
    return refused(redirectUri, register, whichIsUnknown(outcomes, isAuthenticated));
  }
  if (real.kind === 'goes on') return comparedWithMadeUp(redirectUri, outcomes);
  if (real.kind === 'error') {
    return [KNOWN_CLIENT, registered(redirectUri), refusedRequest(real.detail)];
  }
  const found = `not looked at; the authorization endpoint: ${real.detail}`;
  return [warning('client id', found, 'run the doctor again later')];
}

type Unknown = 'client id' | 'redirect URI' | 'one of them';

function whichIsUnknown(outcomes: Outcomes, isAuthenticated: boolean | undefined): Unknown {
  const { real, otherClient, otherRedirect } = outcomes;
  // A known client is one for which the two made-up answers differ.
  if (otherClient.looks !== otherRedirect.looks) {
    if (real.looks === otherRedirect.looks) return 'redirect URI';
    if (real.looks === otherClient.looks) return 'client id';
  }
  // Alike: no such client, or pages that never say why. RFC 6749 §5.2: who authenticates is known.
  if (isAuthenticated) return 'redirect URI';
  const isTold = isAuthenticated === false && !/redirect/i.test(real.looks);
  return isTold ? 'client id' : 'one of them';
}

/** RFC 6749 §3.1.2.3: simple string comparison, so the whole URI is told, to be copied. */
function howToRegister(redirectUri: string, endpoint: URL): string {
  const where = isLoopbackHttp(endpoint)
    ? `local AuthKit: start it with --redirect-uri ${redirectUri}`
    : `WorkOS dashboard: add the redirect URI ${redirectUri}`;
  return `BASE_URL=<the origin whose /callback is registered>, or ${where}`;
}

function refused(redirectUri: string, register: string, unknown: Unknown): Finding[] {
  switch (unknown) {
    case 'client id':
      return [UNKNOWN_CLIENT];
    case 'redirect URI': {
      const found = `${redirectUri} is not registered at this application`;
      return [KNOWN_CLIENT, problem('redirect URI', found, register)];
    }
    case 'one of them': {
      const found = 'AuthKit refuses the client id or the redirect URI and does not say which';
      return [problem('client id', found, `${UNKNOWN_CLIENT.change}; or ${register}`)];
    }
    default:
      return unknown satisfies never;
  }
}

/** An answer that a made-up value gets too proves nothing. */
function comparedWithMadeUp(redirectUri: string, outcomes: Outcomes): Finding[] {
  const { real, otherClient, otherRedirect } = outcomes;
  return [
    real.looks === otherClient.looks ? notTold('client id') : KNOWN_CLIENT,
    real.looks === otherRedirect.looks ? notTold('redirect URI') : registered(redirectUri),
  ];
}

const notTold = (check: string) =>
  warning(check, `not told: AuthKit lets a made-up ${check} go on to its sign-in too`);
const KNOWN_CLIENT = ok('client id', 'known to the issuer');
const registered = (redirectUri: string) => ok('redirect URI', `${redirectUri} is registered`);

function refusedRequest(error: string): Finding {
  const found = `AuthKit refuses the request: ${error}`;
  if (error === 'invalid_scope') {
    return problem('scopes', found, 'OAUTH_SCOPE: ask only for scopes of this application');
  }
  return error === 'invalid_target'
    ? problem('resource', found, 'OAUTH_RESOURCE: set a resource indicator of this environment')
    : problem('request', found, 'WorkOS dashboard: is this application one of type OAuth?');
}

// One discovery: what the issuer says about itself, as two configurations of openid-client.
// OpenID Connect Discovery 1.0 §4: https://openid.net/specs/openid-connect-discovery-1_0.html
import * as client from 'openid-client';
import { boundedFetch } from './bounded-fetch.ts';
import { SignInError } from './errors.ts';
import { toSignInError } from './failure.ts';

export interface ClientOptions {
  issuer: URL;
  clientId: string;
  /** Without one this is a Public application: PKCE and no client authentication. */
  clientSecret?: string;
}

export interface Discovered {
  /** For sign-in: the ID token's signature is verified against the JWKS. */
  signIn: client.Configuration;
  /** For everything after it. */
  afterwards: client.Configuration;
}

const TIMEOUT_S = 5;
/** Accepted difference between our clock and AuthKit's, in seconds. */
export const CLOCK_TOLERANCE_S = 30;

/**
 * Asks the issuer for its metadata, now. `noteSkew` hears with each answer by how many seconds this
 * server's clock is ahead of the issuer's.
 * @throws SignInError `issuer_unreachable`, `issuer_timeout` or `issuer_mismatch`
 */
export async function discoverOnce(
  options: ClientOptions,
  noteSkew: (seconds: number) => void,
): Promise<Discovered> {
  const { issuer, clientId, clientSecret } = options;
  const fetch = boundedFetch(noteSkew);
  const metadata = {
    // OpenID Connect Core §3.1.3.7 number 7: the algorithm is ours to choose, not the token's.
    id_token_signed_response_alg: 'RS256',
    [client.clockTolerance]: CLOCK_TOLERANCE_S,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
  };
  const authentication =
    clientSecret !== undefined ? client.ClientSecretPost(clientSecret) : client.None();
  const signIn = await client
    .discovery(issuer, clientId, metadata, authentication, {
      [client.customFetch]: fetch,
      timeout: TIMEOUT_S,
      // RFC 8252 §8.3: without TLS only on loopback, where nobody else listens.
      execute: isLoopbackHttp(issuer) ? [client.allowInsecureRequests] : [],
    })
    .catch((cause: unknown) => {
      throw discoveryFailure(cause, issuer);
    });
  // The library checks the ID token's signature only when told to.
  client.enableNonRepudiationChecks(signIn);

  // A refreshed ID token only has to name the same issuer, audience and subject; it grants nothing.
  // Verifying it would need the JWKS after the refresh token is spent, and an outage of that one
  // endpoint would lose the new tokens. TLS vouches for it (OpenID Connect Core §3.1.3.7 number 6).
  const afterwards = new client.Configuration(
    signIn.serverMetadata(),
    clientId,
    metadata,
    authentication,
  );
  afterwards[client.customFetch] = fetch;
  afterwards.timeout = TIMEOUT_S;
  if (isLoopbackHttp(issuer)) client.allowInsecureRequests(afterwards);
  return { signIn, afterwards };
}

/** §4.3: the issuer must match exactly, and whoever configured it must see both values. */
function discoveryFailure(cause: unknown, issuer: URL): SignInError {
  const error = toSignInError(cause);
  if (error.code !== 'issuer_mismatch') {
    return new SignInError(error.status === 504 ? 'issuer_timeout' : 'issuer_unreachable', {
      cause,
      hint: `No usable metadata at ${issuer.origin} (${error.code}).`,
    });
  }
  const details = (cause as { cause?: { body?: { issuer?: unknown } } }).cause;
  const advertised = JSON.stringify(String(details?.body?.issuer)).slice(0, 200);
  return new SignInError('issuer_mismatch', {
    cause,
    hint: `Configured issuer "${issuer.href}", advertised issuer ${advertised}. Set AUTHKIT_ISSUER=${advertised}`,
  });
}

/** Whether this URL is plain http to this very machine. */
export function isLoopbackHttp({ protocol, hostname }: URL): boolean {
  return (
    protocol === 'http:' &&
    (hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname))
  );
}

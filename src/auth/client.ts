// The relying party's view of the issuer: discovery in the background, retried, never fatal.
// The app serves its public pages while AuthKit is away, and keeps what it knew once it was there.
// OpenID Connect Discovery §4: https://openid.net/specs/openid-connect-discovery-1_0.html
import { setTimeout as delay } from 'node:timers/promises';
import * as client from 'openid-client';
import { boundedFetch } from './bounded-fetch.ts';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { toSignInError } from './failure.ts';

export interface ClientOptions {
  issuer: URL;
  clientId: string;
  /** Without one this is a Public application: PKCE and no client authentication. */
  clientSecret?: string;
}

export interface RelyingParty {
  /** The discovered configuration. @throws SignInError while the issuer was never reached */
  config(): Promise<Discovered>;
  /** The same where it must not be waited for; undefined while the issuer was never reached. */
  known(): Discovered | undefined;
  /** Asks the issuer again if the last answer is older than a few seconds. Never rejects. */
  state(): Promise<'never_reached' | 'ready' | 'away'>;
  /** By how much this server's clock was ahead of the issuer's at its last answer. */
  clockSkewSeconds(): number;
  close(): void;
}

export interface Discovered {
  /** For sign-in: the ID token's signature is verified against the JWKS. */
  signIn: client.Configuration;
  /** For everything after it. */
  afterwards: client.Configuration;
}

const TIMEOUT_S = 5;
const LONGEST_PAUSE_MS = 30_000;
const FRESH_MS = 3_000;
const LONGEST_LOOK_MS = 300;
/** Accepted difference between our clock and AuthKit's, in seconds. */
export const CLOCK_TOLERANCE_S = 30;
const WORTH_A_LINE_S = 10;

export function createRelyingParty(
  options: ClientOptions,
  onEvent: SignInEventListener,
): RelyingParty {
  let discovered: Discovered | undefined;
  let inFlight: Promise<Discovered> | undefined;
  let failure: SignInError | undefined;
  let checkedAt = 0;
  let skewSeconds = 0;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function noteSkew(seconds: number): void {
    const isNews = Math.abs(seconds - skewSeconds) > WORTH_A_LINE_S;
    skewSeconds = seconds;
    if (isNews) onEvent({ event: 'clock_skew', seconds });
  }

  /** One discovery at a time, shared by all who wait for it. */
  function discover(): Promise<Discovered> {
    inFlight ??= discoverOnce(options, noteSkew)
      .then((found) => {
        // The same metadata keeps its object, and with it the cached keys.
        if (!discovered || !sameMetadata(discovered, found)) discovered = found;
        failure = undefined;
        failures = 0;
        return discovered;
      })
      .catch((cause: unknown) => {
        failure = discoveryFailure(cause, options.issuer);
        throw failure;
      })
      .finally(() => {
        checkedAt = Date.now();
        inFlight = undefined;
      });
    return inFlight;
  }

  async function discoverUntilFound(): Promise<void> {
    try {
      const metadata = (await discover()).signIn.serverMetadata();
      const { issuer } = metadata;
      onEvent({ event: 'issuer_discovered', issuer, supportsPkce: metadata.supportsPKCE() });
    } catch (cause) {
      // Closed while it was asked: nobody would stop a timer that is set now.
      if (isClosed) return;
      const error = toSignInError(cause);
      // Jitter, so that the instances of a fleet do not return in step.
      const pause = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures++) * (0.5 + Math.random() / 2);
      const line = {
        code: error.code,
        retryInSeconds: Math.ceil(pause / 1000),
        ...(error.hint !== undefined && { hint: error.hint }),
      };
      onEvent({ event: 'issuer_unavailable', ...line }, error);
      timer = setTimeout(() => void discoverUntilFound(), pause).unref();
    }
  }
  void discoverUntilFound();

  return {
    async config() {
      if (discovered) return discovered;
      if (inFlight) return inFlight;
      throw failure ?? new SignInError('issuer_unreachable');
    },
    known: () => discovered,
    async state() {
      // A readiness probe gives up after a second; an issuer that is silent takes longer to fail.
      // The answer is then what is known, and the next probe hears the outcome.
      if (discovered && Date.now() - checkedAt > FRESH_MS) {
        const asked = discover().catch(() => undefined);
        await Promise.race([asked, delay(LONGEST_LOOK_MS, undefined, { ref: false })]);
      }
      if (!discovered) return 'never_reached';
      return failure ? 'away' : 'ready';
    },
    clockSkewSeconds: () => skewSeconds,
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}

async function discoverOnce(options: ClientOptions, noteSkew: (seconds: number) => void) {
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
  const signIn = await client.discovery(issuer, clientId, metadata, authentication, {
    [client.customFetch]: fetch,
    timeout: TIMEOUT_S,
    // RFC 8252 §8.3: without TLS only on loopback, where nobody else listens.
    execute: isLoopbackHttp(issuer) ? [client.allowInsecureRequests] : [],
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

/** Whether this URL is plain http to this very machine. */
export function isLoopbackHttp({ protocol, hostname }: URL): boolean {
  return (
    protocol === 'http:' &&
    (hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname))
  );
}

const sameMetadata = (a: Discovered, b: Discovered) =>
  JSON.stringify(a.signIn.serverMetadata()) === JSON.stringify(b.signIn.serverMetadata());

/** Discovery §4.3: the issuer must match exactly, and whoever configured it must see both values. */
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

// The issuer, as this application knows it: looked for in the background until it was found once, and
// asked again for a readiness check. The app serves its public pages while AuthKit is away, and keeps what it knew once it was there.
// OpenID Connect Discovery 1.0 §4: https://openid.net/specs/openid-connect-discovery-1_0.html
import { setTimeout as delay } from 'node:timers/promises';
import * as client from 'openid-client';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { discoveryFailure, toSignInError } from './openid-errors.ts';

export interface ClientOptions {
  issuer: URL;
  clientId: string;
  /** Without one this is a Public application: PKCE and no client authentication. */
  clientSecret?: string;
}

/** What the issuer says about itself, as two configurations of openid-client. */
export interface Discovered {
  /** For a sign-in: the ID token's signature is verified against the JWKS. */
  verifyingConfig: client.Configuration;
  /** For everything after it: refresh, revocation, introspection, end session. */
  refreshConfig: client.Configuration;
  /** The same for one request, whose response `seen` gets too, however odd the library finds it. */
  observing: (seen: (status: number, body: unknown) => void) => client.Configuration;
}

/** Accepted difference between our clock and AuthKit's, in seconds. */
export const CLOCK_TOLERANCE_S = 30;

const TIMEOUT_S = 5;
const MOST_BYTES = 512 * 1024;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const FRESH_MS = 3_000;
const LONGEST_LOOK_MS = 300;
const WORTH_AN_EVENT_S = 10;

export class Issuer {
  readonly #options: ClientOptions;
  readonly #onEvent: SignInEventListener;
  #discovered: Discovered | undefined;
  #inFlight: Promise<Discovered> | undefined;
  #failure: SignInError | undefined;
  #checkedAt = 0;
  #clockSkewSeconds = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Takes what a Connect application is configured with; begins to look for the issuer at once. */
  constructor(options: ClientOptions, onEvent: SignInEventListener) {
    this.#options = options;
    this.#onEvent = onEvent;
    void this.#discoverUntilFound();
  }

  /** What was discovered. @throws SignInError while the issuer was never reached */
  async config(): Promise<Discovered> {
    const config = this.#discovered ?? this.#inFlight;
    if (config) return config;
    throw this.#failure ?? new SignInError('issuer_unreachable');
  }

  /** The same where it must not be waited for; undefined while the issuer was never reached. */
  known(): Discovered | undefined {
    return this.#discovered;
  }

  /** By how much this server's clock was ahead of the issuer's at its last response. */
  get clockSkewSeconds(): number {
    return this.#clockSkewSeconds;
  }

  /** Asks the issuer again if its last response is older than a few seconds. Never rejects. */
  async state(): Promise<'never_reached' | 'ready' | 'away'> {
    // A readiness probe gives up after a second; an issuer that is silent takes longer to fail. The
    // result is then what is known, and the next probe hears the outcome.
    if (this.#discovered && Date.now() - this.#checkedAt > FRESH_MS) {
      const asked = this.#discover().catch(() => undefined);
      await Promise.race([asked, delay(LONGEST_LOOK_MS, undefined, { ref: false })]);
    }
    if (!this.#discovered) return 'never_reached';
    return this.#failure ? 'away' : 'ready';
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** One discovery at a time, shared by all who wait for it. */
  #discover(): Promise<Discovered> {
    this.#inFlight ??= discoverOnce(this.#options, (seconds) => this.#noteClockSkew(seconds))
      .then((found) => {
        // The same metadata keeps its object, and with it the cached keys.
        if (!hasMetadataOf(found, this.#discovered)) this.#discovered = found;
        this.#failure = undefined;
        return this.#discovered ?? found;
      })
      .catch((cause: unknown) => {
        this.#failure = toSignInError(cause);
        throw this.#failure;
      })
      .finally(() => {
        this.#checkedAt = Date.now();
        this.#inFlight = undefined;
      });
    return this.#inFlight;
  }

  async #discoverUntilFound(): Promise<void> {
    try {
      const metadata = (await this.#discover()).verifyingConfig.serverMetadata();
      const { issuer } = metadata;
      this.#onEvent({ event: 'issuer_discovered', issuer, supportsPkce: metadata.supportsPKCE() });
    } catch (cause) {
      // Closed while it was asked: nobody would stop a timer that is set now.
      if (this.#isClosed) return;
      const error = toSignInError(cause);
      const { code, hint } = error;
      // Jitter, so that the instances of a fleet do not return in step.
      const waitMs =
        Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++) *
        (0.5 + Math.random() / 2);
      const retryInSeconds = Math.ceil(waitMs / 1000);
      this.#onEvent({ event: 'issuer_unavailable', code, hint, retryInSeconds }, error);
      this.#timer = setTimeout(() => void this.#discoverUntilFound(), waitMs).unref();
    }
  }

  #noteClockSkew(seconds: number): void {
    const isNews = Math.abs(seconds - this.#clockSkewSeconds) > WORTH_AN_EVENT_S;
    this.#clockSkewSeconds = seconds;
    if (isNews) this.#onEvent({ event: 'clock_skew', seconds });
  }
}

const hasMetadataOf = (one: Discovered, other: Discovered | undefined) =>
  JSON.stringify(one.verifyingConfig.serverMetadata()) ===
  JSON.stringify(other?.verifyingConfig.serverMetadata());

/**
 * Asks the issuer for its metadata, now. `noteClockSkew` hears with each response by how many seconds
 * this server's clock is ahead of the issuer's.
 * @throws SignInError `issuer_unreachable`, `issuer_timeout` or `issuer_mismatch`
 */
async function discoverOnce(
  { issuer, clientId, clientSecret }: ClientOptions,
  noteClockSkew: (seconds: number) => void,
): Promise<Discovered> {
  const fetch = boundedFetch(noteClockSkew);
  const metadata = {
    // OpenID Connect Core §3.1.3.7 number 7: the algorithm is ours to choose, not the token's.
    id_token_signed_response_alg: 'RS256',
    [client.clockTolerance]: CLOCK_TOLERANCE_S,
    ...(clientSecret !== undefined && { client_secret: clientSecret }),
  };
  const authentication =
    clientSecret !== undefined ? client.ClientSecretPost(clientSecret) : client.None();
  const verifyingConfig = await client
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
  client.enableNonRepudiationChecks(verifyingConfig);

  // A refreshed ID token only has to name the same issuer, audience and subject; it grants nothing.
  // Verifying it would need the JWKS after the refresh token is spent, and an outage of that one
  // endpoint would lose the new tokens. TLS vouches for it (OpenID Connect Core §3.1.3.7 number 6).
  const server = verifyingConfig.serverMetadata();
  const configWith = (customFetch: client.CustomFetch) => {
    const config = new client.Configuration(server, clientId, metadata, authentication);
    config[client.customFetch] = customFetch;
    config.timeout = TIMEOUT_S;
    if (isLoopbackHttp(issuer)) client.allowInsecureRequests(config);
    return config;
  };
  const observing: Discovered['observing'] = (seen) =>
    configWith(async (...request) => {
      const response = await fetch(...request);
      seen(
        response.status,
        await response
          .clone()
          .json()
          .catch(() => undefined),
      );
      return response;
    });
  return { verifyingConfig, refreshConfig: configWith(fetch), observing };
}

/**
 * A fetch for openid-client that reads at most 512 kB: an endless or huge response must not fill the
 * memory of this server. It follows no redirect: the metadata names every address we talk to.
 * `onClockSkew` hears by how many seconds this server's clock is ahead of the issuer's `Date` header.
 */
function boundedFetch(onClockSkew: (seconds: number) => void): client.CustomFetch {
  return async (url, options) => {
    // A copy only for the types: where the DOM's are in use too, they allow no shared memory.
    const body = options.body instanceof Uint8Array ? Uint8Array.from(options.body) : options.body;
    const init: RequestInit = { ...options, redirect: 'manual', body: body ?? null };
    const response = await fetch(url, init);
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isFinite(date)) onClockSkew(Math.round((Date.now() - date) / 1000));

    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      // Leaving the loop cancels the body and with it the connection.
      if (size > MOST_BYTES)
        throw new TypeError(`the response of ${new URL(url).pathname} is too large`);
      chunks.push(chunk);
    }
    const noBody = [101, 204, 205, 304].includes(response.status);
    return new Response(noBody ? null : Buffer.concat(chunks), {
      status: response.status,
      headers: response.headers,
    });
  };
}

/** Whether this URL is plain http to this very machine. */
export function isLoopbackHttp({ protocol, hostname }: URL): boolean {
  return (
    protocol === 'http:' &&
    (hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname))
  );
}

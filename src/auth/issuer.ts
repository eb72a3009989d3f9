// The issuer, as this application knows it: looked for in the background until it was found once, and
// asked again for a readiness check. The app serves its public pages while AuthKit is away, and keeps what it knew once it was there.
// OpenID Connect Discovery 1.0 §4: https://openid.net/specs/openid-connect-discovery-1_0.html
import { setTimeout as delay } from 'node:timers/promises';
import * as client from 'openid-client';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { discoveryFailure, toSignInError } from './openid-errors.ts';

export interface ClientOptions {
  issuer: URL;
  clientId: string;
  /** Without one this is a Public application: PKCE and no client authentication. */
  clientSecret?: string;
}

/** What the issuer says about itself. */
export interface Discovered {
  config: client.Configuration;
  /** For the ID token of a sign-in. */
  keys: IssuerKeys;
  /** For one request, whose response `seen` gets too, however odd the library finds it. */
  observing: (seen: (status: number, body: unknown) => void) => client.Configuration;
}

/** Accepted difference between our clock and AuthKit's, in seconds. */
export const CLOCK_TOLERANCE_S = 30;

const TIMEOUT_S = 5;
const MOST_BYTES = 512 * 1024;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const FRESH_MS = 3_000;
const LONGEST_KNOWN_MS = 300_000;
const LONGEST_LOOK_MS = 300;
const WORTH_AN_EVENT_S = 10;

export class Issuer {
  readonly #options: ClientOptions;
  readonly #onEvent: SignInEventListener;
  /** What is known without waiting; undefined while the issuer was never reached. */
  discovered: Discovered | undefined;
  #inFlight: Promise<Discovered> | undefined;
  #failure: SignInError | undefined;
  #checkedAt = -Infinity;
  /** By how much this server's clock was ahead of the issuer's at its last response. */
  clockSkewSeconds = 0;
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
    // An endpoint that has moved is found without a restart.
    if (this.discovered && this.#age() > LONGEST_KNOWN_MS) void this.#discover().catch(() => {});
    const config = this.discovered ?? this.#inFlight;
    if (config) return config;
    throw this.#failure ?? new SignInError('issuer_unreachable');
  }

  /** Whether its metadata names this endpoint (RFC 8414 §2); false while it was never reached. */
  advertises(endpoint: 'revocation_endpoint' | 'end_session_endpoint'): boolean {
    return this.discovered?.config.serverMetadata()[endpoint] !== undefined;
  }

  /** Asks the issuer again if its last response is older than a few seconds. Never rejects. */
  async state(): Promise<'never_reached' | 'ready' | 'away'> {
    // A readiness probe gives up after a second; an issuer that is silent takes longer to fail. The
    // result is then what is known, and the next probe hears the outcome.
    if (this.discovered && this.#age() > FRESH_MS) {
      const asked = this.#discover().catch(() => undefined);
      await Promise.race([asked, delay(LONGEST_LOOK_MS, undefined, { ref: false })]);
    }
    if (!this.discovered) return 'never_reached';
    return this.#failure ? 'away' : 'ready';
  }

  #age = () => performance.now() - this.#checkedAt;

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** One discovery at a time, shared by all who wait for it. */
  #discover(): Promise<Discovered> {
    this.#inFlight ??= discoverOnce(this.#options, (seconds) => this.#noteClockSkew(seconds))
      .then((found) => {
        // The same metadata keeps its object, and with it the cached keys.
        if (!hasMetadataOf(found, this.discovered)) this.discovered = found;
        this.#failure = undefined;
        return this.discovered ?? found;
      })
      .catch((cause: unknown) => {
        this.#failure = toSignInError(cause);
        throw this.#failure;
      })
      .finally(() => {
        this.#checkedAt = performance.now();
        this.#inFlight = undefined;
      });
    return this.#inFlight;
  }

  async #discoverUntilFound(): Promise<void> {
    try {
      const metadata = (await this.#discover()).config.serverMetadata();
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
    const isNews = Math.abs(seconds - this.clockSkewSeconds) > WORTH_AN_EVENT_S;
    this.clockSkewSeconds = seconds;
    if (isNews) this.#onEvent({ event: 'clock_skew', seconds });
  }
}

const hasMetadataOf = (one: Discovered, other: Discovered | undefined) =>
  JSON.stringify(one.config.serverMetadata()) === JSON.stringify(other?.config.serverMetadata());

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
  const client_secret = clientSecret;
  const metadata = {
    // OpenID Connect Core §3.1.3.7 number 7: the algorithm is ours to choose, not the token's.
    id_token_signed_response_alg: 'RS256',
    [client.clockTolerance]: CLOCK_TOLERANCE_S,
    ...(client_secret !== undefined && { client_secret }),
  };
  const authentication =
    client_secret === undefined ? client.None() : client.ClientSecretPost(client_secret);
  // RFC 8252 §8.3: without TLS only on loopback, where nobody else listens.
  const execute = isLoopbackHttp(issuer) ? [client.allowInsecureRequests] : [];
  const options = { [client.customFetch]: fetch, timeout: TIMEOUT_S, execute };
  const failed = (cause: unknown): never => {
    throw discoveryFailure(cause, issuer);
  };
  const config = await client
    .discovery(issuer, clientId, metadata, authentication, options)
    .catch(failed);
  const server = config.serverMetadata();
  const observing: Discovered['observing'] = (seen) => {
    const observed = new client.Configuration(server, clientId, metadata, authentication);
    observed.timeout = TIMEOUT_S;
    for (const allow of execute) allow(observed);
    observed[client.customFetch] = async (...request) => {
      const response = await fetch(...request);
      const body: unknown = await response
        .clone()
        .json()
        .catch(() => undefined);
      seen(response.status, body);
      return response;
    };
    return observed;
  };
  const jwksUri = secureUrl(server.jwks_uri, issuer) ?? failed(new TypeError('no usable jwks_uri'));
  return { config, keys: new IssuerKeys(jwksUri, fetch), observing };
}

/** https, or http where the issuer itself is on loopback; else anybody on the way could sign tokens. */
function secureUrl(address: string | undefined, issuer: URL): URL | undefined {
  const url = URL.canParse(address ?? '') ? new URL(address ?? '') : undefined;
  return url?.protocol === 'https:' || isLoopbackHttp(issuer) ? url : undefined;
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
    // Of a response out of a cache it is old.
    const isCached = response.headers.has('age');
    const date = isCached ? Number.NaN : Date.parse(response.headers.get('date') ?? '');
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
export const isLoopbackHttp = ({ protocol, hostname }: URL) =>
  protocol === 'http:' && /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/.test(hostname);

// The issuer, AuthKit's address: its metadata (endpoints, algorithms) is discovered in the background
// until it is found once, then asked for again by readiness checks. While AuthKit cannot be reached,
// the app serves its public pages and keeps using the metadata it already has.
// OpenID Connect Discovery 1.0 §4: https://openid.net/specs/openid-connect-discovery-1_0.html
import { setTimeout as delay } from 'node:timers/promises';
import * as client from 'openid-client';
import { boundedFetch } from './bounded-fetch.ts';
import { chooseAuthentication, type ClientAuthentication } from './client-authentication.ts';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { discoveryFailure, toSignInError } from './openid-errors.ts';
import { insecureMember, isLoopbackHttp } from './secure-urls.ts';

export interface ClientOptions {
  issuer: URL;
  clientId: string;
  /** Without one this is a Public application: PKCE and no client authentication. */
  clientSecret?: string;
  /**
   * How the application authenticates; default: as the metadata lists, client_secret_post if it
   * lists both methods for a secret.
   */
  clientAuthentication?: ClientAuthentication;
  /** Sends every request to the issuer; default: the global fetch. Pass your own for a proxy. */
  fetch?: typeof globalThis.fetch;
}

/** What discovery returned. */
export interface Discovered {
  config: client.Configuration;
  /** `config.serverMetadata()`, which copies it at each call. */
  metadata: client.ServerMetadata & client.ServerMetadataHelpers;
  /** The method of client authentication, such as `client_secret_post`. */
  authenticatedBy: string;
  /** They verify the ID token of a sign-in. */
  keys: IssuerKeys;
  /**
   * For one request: `onResponse` gets the response even if the library rejects it, since it may
   * hold a new refresh token.
   */
  observedBy: (onResponse: (status: number, body: unknown) => void) => client.Configuration;
}

/** Accepted difference between our clock and AuthKit's, in seconds. */
export const CLOCK_TOLERANCE_S = 30;

const TIMEOUT_S = 5;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;
const FRESH_MS = 3_000;
const MAX_AGE_MS = 300_000;
const MAX_STATE_WAIT_MS = 300;
const MIN_REPORTED_SKEW_S = 10;

export class Issuer {
  readonly #options: ClientOptions;
  readonly #onEvent: SignInEventListener;
  /** The last known metadata; undefined until the issuer was reached once. */
  discovered: Discovered | undefined;
  #inFlight: Promise<Discovered> | undefined;
  #failure: SignInError | undefined;
  #checkedAt = -Infinity;
  /** By how much this server's clock was ahead of the issuer's at the issuer's last response. */
  clockSkewSeconds = 0;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** Takes the configuration of a Connect application; starts discovering the issuer. */
  constructor(options: ClientOptions, onEvent: SignInEventListener) {
    this.#options = options;
    this.#onEvent = onEvent;
    void this.#discoverUntilFound();
  }

  /** The discovered issuer. @throws SignInError until the issuer was reached once */
  async whenDiscovered(): Promise<Discovered> {
    // Discover again in the background, to find moved endpoints without a restart.
    if (this.discovered && this.#age() > MAX_AGE_MS) void this.#discover().catch(() => {});
    const config = this.discovered ?? this.#inFlight;
    if (config) return config;
    throw this.#failure ?? new SignInError('issuer_unreachable');
  }

  /** Whether its metadata offers this (RFC 8414 §2); false until it was reached once. */
  advertises(
    name: 'revocation_endpoint' | 'end_session_endpoint' | 'backchannel_logout_supported',
  ): boolean {
    return Boolean(this.discovered?.metadata[name]);
  }

  /** Asks the issuer again if its last response is older than a few seconds. Never rejects. */
  async state(): Promise<'never_reached' | 'ready' | 'away'> {
    // A readiness probe gives up after a second, sooner than a silent issuer fails. So the result
    // is what is known after a short wait, and the next probe gets the outcome.
    if (this.discovered && this.#age() > FRESH_MS) {
      const discovery = this.#discover().catch(() => undefined);
      await Promise.race([discovery, delay(MAX_STATE_WAIT_MS, undefined, { ref: false })]);
    }
    if (!this.discovered) return 'never_reached';
    return this.#failure ? 'away' : 'ready';
  }

  #age = () => performance.now() - this.#checkedAt;

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** One discovery at a time, shared by all callers. */
  #discover(): Promise<Discovered> {
    this.#inFlight ??= discover(this.#options, (seconds) => this.#noteClockSkew(seconds))
      .then((found) => {
        // Unchanged metadata keeps its object, and with it the cached keys.
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
      const { metadata, authenticatedBy } = await this.#discover();
      const [{ issuer }, supportsPkce] = [metadata, metadata.supportsPKCE()];
      this.#onEvent({ event: 'issuer_discovered', issuer, supportsPkce, authenticatedBy });
    } catch (cause) {
      // Closed meanwhile: no one would clear a timer set now.
      if (this.#isClosed) return;
      const error = toSignInError(cause);
      const { code, hint } = error;
      // Jitter, so that several instances do not retry in step.
      const waitMs =
        Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
      const retryInSeconds = Math.ceil(waitMs / 1000);
      this.#onEvent({ event: 'issuer_unavailable', code, hint, retryInSeconds }, error);
      this.#timer = setTimeout(() => void this.#discoverUntilFound(), waitMs).unref();
    }
  }

  #noteClockSkew(seconds: number): void {
    const hasChanged = Math.abs(seconds - this.clockSkewSeconds) > MIN_REPORTED_SKEW_S;
    this.clockSkewSeconds = seconds;
    if (hasChanged) this.#onEvent({ event: 'clock_skew', seconds });
  }
}

const hasMetadataOf = (one: Discovered, other: Discovered | undefined) =>
  JSON.stringify(one.metadata) === JSON.stringify(other?.metadata);

/**
 * Fetches the issuer's metadata. With each response, `noteClockSkew` is told by how many seconds
 * this server's clock is ahead of the issuer's.
 * @throws SignInError `issuer_unreachable`, `issuer_timeout` or `issuer_mismatch`
 */
export async function discover(
  options: ClientOptions,
  noteClockSkew: (seconds: number) => void = () => undefined,
): Promise<Discovered> {
  const { issuer, clientId, clientSecret: client_secret } = options;
  const fetch = boundedFetch(options.fetch, noteClockSkew);
  const metadata = {
    // OpenID Connect Core §3.1.3.7 number 7: we choose the algorithm, not the token.
    id_token_signed_response_alg: 'RS256',
    [client.clockTolerance]: CLOCK_TOLERANCE_S,
    ...(client_secret !== undefined && { client_secret }),
  };
  // RFC 8252 §8.3: without TLS only on loopback, where no one on the network can listen.
  const execute = isLoopbackHttp(issuer) ? [client.allowInsecureRequests] : [];
  const requests = { [client.customFetch]: fetch, timeout: TIMEOUT_S, execute };
  const failed = (cause: unknown): never => {
    throw discoveryFailure(cause, issuer);
  };
  const found = await client
    .discovery(issuer, clientId, metadata, client.None(), requests)
    .catch(failed);
  const server = found.serverMetadata();
  const { method: authenticatedBy, authenticate } = chooseAuthentication(
    client_secret,
    options.clientAuthentication,
    server,
  );
  const configuredWith = (send: client.CustomFetch) => {
    const config = new client.Configuration(server, clientId, metadata, authenticate);
    config.timeout = TIMEOUT_S;
    for (const allow of execute) allow(config);
    config[client.customFetch] = send;
    return config;
  };
  const observedBy: Discovered['observedBy'] = (onResponse) =>
    configuredWith(async (...request) => {
      const response = await fetch(...request);
      const body: unknown = await response
        .clone()
        .json()
        .catch(() => undefined);
      onResponse(response.status, body);
      return response;
    });
  const insecure = insecureMember(server, issuer);
  if (insecure !== undefined) failed(new TypeError(`${insecure} is not https`));
  if (server.jwks_uri === undefined) return failed(new TypeError('jwks_uri is missing'));
  const keys = new IssuerKeys(new URL(server.jwks_uri), fetch);
  return { config: configuredWith(fetch), metadata: server, authenticatedBy, keys, observedBy };
}

// The issuer's signing keys, kept fresh with few fetches and still used during an outage. One
// object serves all guards of a process. Key ages are checked when a request needs a key, so there
// is no timer to stop. jose's createRemoteJWKSet is not used: it ages keys by the wall clock, which
// may jump, and drops them either at the first failure or never.
import { discover, fetchJson, nameOf, safeUrl, UpstreamError } from './discovery.ts';
import type { Fetch, ServerMetadata } from './discovery.ts';
import { BearerError } from './errors.ts';
import type { BearerEvent } from './errors.ts';
import { readKeys, type KeySet } from './keys.ts';

export interface IssuerOptions {
  /** Default: the global fetch. Pass your own for a proxy or for tracing. */
  fetch?: Fetch;
  log?: (event: BearerEvent) => void;
}

const REFRESH_AFTER_MS = 300_000;
const MAX_AGE_MS = 600_000;
/** During an outage, a withdrawn key stays accepted for this long. */
const MAX_AGE_IN_OUTAGE_MS = 3_600_000;
const RETRY_AFTER_MS = 5_000;
const UNKNOWN_KEY_COOLDOWN_MS = 10_000;

/** The issuer's metadata and keys. Share one object among the guards, so that they share keys. */
export class Issuer {
  /** Used for every request to the issuer; undefined for the global fetch. */
  readonly fetch: Fetch | undefined;
  readonly #url: URL;
  readonly #log: (event: BearerEvent) => void;
  #metadata: ServerMetadata | undefined;
  #keySet: KeySet | undefined;
  #loadedAt = -Infinity;
  #inFlight: Promise<void> | undefined;
  #failure: { at: number; cause: unknown } | undefined;
  #unknownKeyAt = -Infinity;
  #keyGeneration = 0;

  /** @throws UpstreamError `insecure_url` unless the issuer is https, or http on loopback */
  constructor(issuer: string | URL, { fetch, log = () => {} }: IssuerOptions = {}) {
    this.#url = safeUrl(issuer, 'the issuer');
    this.#log = log;
    this.fetch = fetch;
  }

  /** The issuer identifier: from the metadata, or as configured until that was fetched. */
  get identifier(): string {
    return this.#metadata?.issuer ?? nameOf(this.#url);
  }

  /** Increases when a published key is withdrawn: tokens it signed are no longer valid. */
  get keyGeneration(): number {
    return this.#keyGeneration;
  }

  /** For a readiness check: fetches the keys unless they are fresh. Never rejects. */
  async check(): Promise<'ready' | 'degraded' | 'unreachable'> {
    const set = await this.keys().catch(() => undefined);
    if (set === undefined) return 'unreachable';
    return this.#failure === undefined ? 'ready' : 'degraded';
  }

  /** The keys, if they can be used at once; undefined when `keys()` must fetch them first. */
  current(): KeySet | undefined {
    const isOutage = this.#failure !== undefined;
    const age = ageOf(this.#loadedAt);
    if (age >= (isOutage ? MAX_AGE_IN_OUTAGE_MS : MAX_AGE_MS)) return undefined;
    const isDue = isOutage ? !this.#isBackingOff() : age >= REFRESH_AFTER_MS;
    // An unhandled rejection would end the process.
    if (isDue && this.#keySet !== undefined) this.#refresh().catch(() => undefined);
    return this.#keySet;
  }

  /** The keys. @throws BearerError `keys_unreachable` when there are none, or they are too old */
  async keys(): Promise<KeySet> {
    const set = this.current();
    if (set !== undefined) return set;
    if (!this.#isBackingOff()) await this.#refresh();
    return this.current() ?? this.#throwUnreachable();
  }

  /**
   * Takes a key set that does not verify a token and returns a newer one, in case the issuer has
   * rotated its keys. Undefined if there is none, or if the last such fetch is too recent.
   * @throws BearerError `keys_unreachable` when the fetch fails
   */
  async keysAfter(known: KeySet): Promise<KeySet | undefined> {
    // A fetch in flight may have started before the key was published, so one more may be needed.
    await this.#inFlight;
    // Key ids come from unverified tokens: without a limit, each forged one would cause a fetch.
    if (this.#failure === undefined && ageOf(this.#unknownKeyAt) >= UNKNOWN_KEY_COOLDOWN_MS) {
      this.#unknownKeyAt = performance.now();
      await this.#refresh();
    }
    await this.#inFlight;
    if (this.#failure !== undefined) this.#throwUnreachable();
    return this.#keySet === known ? undefined : this.#keySet;
  }

  /** The metadata. @throws BearerError `keys_unreachable` if it could never be fetched */
  async metadata(): Promise<ServerMetadata> {
    if (this.#metadata === undefined) await this.keys();
    return this.#metadata ?? this.#throwUnreachable();
  }

  #isBackingOff(): boolean {
    return this.#failure !== undefined && ageOf(this.#failure.at) < RETRY_AFTER_MS;
  }

  #throwUnreachable(): never {
    const { cause } = this.#failure ?? {};
    throw new BearerError('keys_unreachable', "The issuer's keys cannot be fetched", { cause });
  }

  /** One fetch, shared by all callers. Failures are stored; it rejects only if `log` throws. */
  #refresh(): Promise<void> {
    this.#inFlight ??= this.#load()
      .catch((cause: unknown) => {
        this.#failure = { at: performance.now(), cause };
        const reason = cause instanceof UpstreamError ? `${cause.code}: ${cause.message}` : 'other';
        this.#log({ event: 'keys_unreachable', reason });
      })
      .finally(() => (this.#inFlight = undefined));
    return this.#inFlight;
  }

  async #load(): Promise<void> {
    // After a failure, fetch the metadata again: the JWKS may have moved.
    if (this.#metadata === undefined || this.#failure !== undefined) {
      this.#metadata = await discover(this.#url, this.fetch);
    }
    const next = await readKeys(await fetchJson(this.#metadata.jwksUri, {}, this.fetch));
    const count = next.ids.size;
    const hasLostKey = [...(this.#keySet?.ids ?? [])].some((id) => !next.ids.has(id));
    if (hasLostKey) this.#keyGeneration += 1;
    this.#keySet = count === 0 ? undefined : next;
    this.#loadedAt = performance.now();
    // An issuer that publishes no key has withdrawn them all, so the old ones are dropped, unlike
    // in an outage. Guards then respond with 503 rather than 401: no token was found invalid.
    if (count === 0) throw new UpstreamError('bad_response', 'the JWKS has no key for RS256');
    this.#failure = undefined;
    this.#log({ event: 'keys_loaded', count });
  }
}

// The monotonic clock: a jump of the wall clock would make keys be fetched too late or too early.
const ageOf = (at: number) => performance.now() - at;

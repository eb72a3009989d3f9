// The issuer as this API sees it: its signing keys, kept fresh with few fetches, and used on through
// an outage. One object serves all guards of a process. Ages are checked when a request needs a
// key: there is no timer to stop. Not jose's createRemoteJWKSet: it ages keys by the wall clock, which
// may jump, and drops them at the first failure or never.
import { discover, fetchJson, safeUrl, UpstreamError, withoutSlash } from './discovery.ts';
import type { Fetch, ServerMetadata } from './discovery.ts';
import { BearerError } from './errors.ts';
import type { BearerEvent } from './errors.ts';
import { readKeys } from './keys.ts';
import type { KeySet } from './keys.ts';

export interface IssuerOptions {
  /** Default: the global fetch. Hand in your own for a proxy or for tracing. */
  fetch?: Fetch;
  log?: (event: BearerEvent) => void;
}

const REFRESH_AFTER_MS = 300_000;
const MAX_AGE_MS = 600_000;
/** A key that is withdrawn while the issuer is out of reach is accepted for this long. */
const MAX_AGE_IN_OUTAGE_MS = 3_600_000;
const RETRY_AFTER_MS = 5_000;
const UNKNOWN_KEY_COOLDOWN_MS = 10_000;

/** What this API knows of the issuer; share one among all guards, so that they share its keys. */
export class Issuer {
  /** How the issuer is asked; undefined for the global fetch. */
  readonly fetch: Fetch | undefined;
  readonly #url: URL;
  readonly #log: (event: BearerEvent) => void;
  #metadata: ServerMetadata | undefined;
  #set: KeySet | undefined;
  #loadedAt = -Infinity;
  #flight: Promise<void> | undefined;
  #failure: { at: number; cause: unknown } | undefined;
  #unknownKeyAt = -Infinity;
  #keyGeneration = 0;

  /** @throws UpstreamError `insecure_url` unless the issuer is https, or http on loopback */
  constructor(issuer: string | URL, { fetch, log = () => {} }: IssuerOptions = {}) {
    this.#url = safeUrl(issuer, 'the issuer');
    this.#log = log;
    this.fetch = fetch;
  }

  /** The issuer's name: as its metadata has it, or as configured until it was reached. */
  get identifier(): string {
    return this.#metadata?.issuer ?? withoutSlash(this.#url.href);
  }

  /** Grows when a key is no longer published: what it signed is then no longer good. */
  get keyGeneration(): number {
    return this.#keyGeneration;
  }

  /** For a readiness check: asks the issuer unless its keys are fresh. Never rejects. */
  async check(): Promise<'ready' | 'degraded' | 'unreachable'> {
    const set = await this.keys().catch(() => undefined);
    if (set === undefined) return 'unreachable';
    return this.#failure === undefined ? 'ready' : 'degraded';
  }

  /** The keys to use without waiting, or undefined: then `keys()` has to ask the issuer. */
  current(): KeySet | undefined {
    const isAway = this.#failure !== undefined;
    const age = ageOf(this.#loadedAt);
    if (age >= (isAway ? MAX_AGE_IN_OUTAGE_MS : MAX_AGE_MS)) return undefined;
    const isDue = isAway ? !this.#isBackingOff() : age >= REFRESH_AFTER_MS;
    // An unhandled rejection would end the process.
    if (isDue && this.#set !== undefined) this.#refresh().catch(() => undefined);
    return this.#set;
  }

  /** The keys to use. @throws BearerError `keys_unreachable` when there are none, or too old ones */
  async keys(): Promise<KeySet> {
    const set = this.current();
    if (set !== undefined) return set;
    if (!this.#isBackingOff()) await this.#refresh();
    return this.current() ?? this.#throwUnreachable();
  }

  /**
   * Takes keys of which none signed a token, and returns newer ones: the issuer may have begun to
   * sign with another key. Undefined while it may not be asked again.
   * @throws BearerError `keys_unreachable` when it cannot be told whether there are any
   */
  async keysAfter(known: KeySet): Promise<KeySet | undefined> {
    // A fetch under way may have begun before the key was published: then one more is due.
    await this.#flight;
    // Key ids come from unverified tokens: without a bound, each forged one would cost a fetch.
    if (this.#failure === undefined && ageOf(this.#unknownKeyAt) >= UNKNOWN_KEY_COOLDOWN_MS) {
      this.#unknownKeyAt = performance.now();
      await this.#refresh();
    }
    await this.#flight;
    if (this.#failure !== undefined) this.#throwUnreachable();
    return this.#set === known ? undefined : this.#set;
  }

  /** What discovery said. @throws BearerError `keys_unreachable` until the issuer was reached once */
  async metadata(): Promise<ServerMetadata> {
    if (this.#metadata === undefined) await this.keys();
    return this.#metadata ?? this.#throwUnreachable();
  }

  #isBackingOff(): boolean {
    return this.#failure !== undefined && ageOf(this.#failure.at) < RETRY_AFTER_MS;
  }

  #throwUnreachable(): never {
    const { cause } = this.#failure ?? {};
    throw new BearerError('keys_unreachable', 'The keys of the issuer are out of reach', { cause });
  }

  /** One fetch for all who wait. A failure is kept, not thrown: only a log that throws rejects. */
  #refresh(): Promise<void> {
    this.#flight ??= this.#load()
      .catch((cause: unknown) => {
        this.#failure = { at: performance.now(), cause };
        const isKnown = cause instanceof UpstreamError;
        const reason = isKnown ? `${cause.code}: ${cause.message}` : 'unknown';
        this.#log({ event: 'keys_unreachable', reason });
      })
      .finally(() => {
        this.#flight = undefined;
      });
    return this.#flight;
  }

  async #load(): Promise<void> {
    // After a failure the address of the keys may have moved: ask for it again.
    if (this.#metadata === undefined || this.#failure !== undefined) {
      this.#metadata = await discover(this.#url, this.fetch);
    }
    const next = await readKeys(await fetchJson(this.#metadata.jwksUri, {}, this.fetch));
    const count = next.ids.size;
    const hasLostKey = [...(this.#set?.ids ?? [])].some((id) => !next.ids.has(id));
    if (hasLostKey) this.#keyGeneration += 1;
    this.#set = count === 0 ? undefined : next;
    this.#loadedAt = performance.now();
    // An issuer that publishes no key has withdrawn all: nothing to bridge, and no token is bad.
    if (count === 0) throw new UpstreamError('bad_response', 'the JWKS has no key for RS256');
    this.#failure = undefined;
    this.#log({ event: 'keys_loaded', count });
  }
}

// By the monotonic clock: after a jump of the wall clock, keys would be fetched too late or too soon.
const ageOf = (at: number) => performance.now() - at;

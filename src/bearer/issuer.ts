// The issuer as this API sees it: its signing keys, kept fresh with few fetches, and used on through
// an outage. One object serves all guards of a process. Times are checked when a request needs a
// key: there is no timer to stop.
import type { CryptoKey } from 'jose';
import { discover, fetchJson, safeUrl, UpstreamError, withoutSlash } from './discovery.ts';
import type { HttpOptions, ServerMetadata } from './discovery.ts';
import { BearerError } from './errors.ts';
import type { BearerEvent } from './errors.ts';
import { hasLostKey, importKeys } from './keys.ts';
import type { KeySet } from './keys.ts';

export interface IssuerOptions extends HttpOptions {
  /** Unknown key ids cost at most three fetches in this time; default 30, at most 60 s. */
  cooldownSeconds?: number;
  /** How long the keys last seen serve while the issuer is away; default 3600 s. */
  bridgeSeconds?: number;
  log?: (event: BearerEvent) => void;
}

const REFRESH_AFTER_MS = 300_000;
const MAX_AGE_MS = 600_000;
const RETRY_AFTER_MS = 5_000;
const MISSES_PER_COOLDOWN = 3;

/** What this API knows of the issuer; share one among all guards, so that they share its keys. */
export class Issuer {
  readonly #url: URL;
  readonly #options: IssuerOptions;
  readonly #cooldown: number;
  readonly #bridge: number;
  #metadata: ServerMetadata | undefined;
  #set: KeySet | undefined;
  #flight: Promise<KeySet> | undefined;
  #failure: { at: number; cause: unknown } | undefined;
  #misses: number[] = [];
  #keysLeft = 0;

  /** @throws UpstreamError `insecure_url` unless the issuer is https, or http on loopback */
  constructor(issuer: string | URL, options: IssuerOptions = {}) {
    this.#url = safeUrl(issuer, 'the issuer');
    this.#options = options;
    this.#cooldown = Math.min(options.cooldownSeconds ?? 30, 60) * 1000;
    this.#bridge = (options.bridgeSeconds ?? 3600) * 1000;
  }

  /** The issuer's name: as it says itself, or as configured until it was reached. */
  get identifier(): string {
    return this.#metadata?.issuer ?? withoutSlash(this.#url.href);
  }

  /** Grows when a key is no longer published: what it signed is then no longer good. */
  get keysLeft(): number {
    return this.#keysLeft;
  }

  /** For a readiness check: asks the issuer unless its keys are fresh. Never rejects. */
  async check(): Promise<'ready' | 'degraded' | 'unreachable'> {
    const set = await this.keys().catch(() => undefined);
    if (set === undefined) return 'unreachable';
    return this.#failure === undefined ? 'ready' : 'degraded';
  }

  /** The keys to use without waiting, or undefined: then `keys()` has to ask the issuer. */
  current(): KeySet | undefined {
    const set = this.#set;
    const isAway = this.#failure !== undefined;
    if (set === undefined || !isWithin(set.loadedAt, isAway ? this.#bridge : MAX_AGE_MS)) {
      return undefined;
    }
    const isDue = isAway ? !this.#isBackingOff() : !isWithin(set.loadedAt, REFRESH_AFTER_MS);
    if (isDue) this.#refresh().catch(() => undefined);
    return set;
  }

  /** The keys to use. @throws BearerError `keys_unreachable` when there are none, or too old ones */
  async keys(): Promise<KeySet> {
    const set = this.current();
    if (set !== undefined) return set;
    if (this.#isBackingOff()) throw unreachable(this.#failure?.cause);
    try {
      return await this.#refresh();
    } catch (error) {
      const bridged = this.current();
      if (bridged !== undefined) return bridged;
      throw error;
    }
  }

  /**
   * The key with this id; undefined when the issuer does not publish it.
   * @throws BearerError `keys_unreachable` when that cannot be told
   */
  async key(kid: string): Promise<CryptoKey | undefined> {
    let set = await this.keys();
    // A fetch under way may have been answered before the key was published: then once more.
    for (let joined = true; joined && !set.keys.has(kid);) {
      joined = this.#flight !== undefined;
      if (!joined && !this.#mayAskForUnknown()) break;
      set = await this.#refresh();
    }
    const found = set.keys.get(kid)?.key;
    if (found === undefined && this.#failure !== undefined) throw unreachable(this.#failure.cause);
    return found;
  }

  /** What discovery said. @throws BearerError `keys_unreachable` until the issuer was reached once */
  async metadata(): Promise<ServerMetadata> {
    if (this.#metadata === undefined) await this.keys();
    if (this.#metadata === undefined) throw unreachable(this.#failure?.cause);
    return this.#metadata;
  }

  #isBackingOff(): boolean {
    return this.#failure !== undefined && isWithin(this.#failure.at, RETRY_AFTER_MS);
  }

  // Key ids come from unverified tokens: without a bound, each forged one would cost a fetch.
  #mayAskForUnknown(): boolean {
    this.#misses = this.#misses.filter((at) => isWithin(at, this.#cooldown));
    if (this.#misses.length >= MISSES_PER_COOLDOWN) return false;
    this.#misses.push(Date.now());
    return true;
  }

  #refresh(): Promise<KeySet> {
    this.#flight ??= this.#load().finally(() => {
      this.#flight = undefined;
    });
    return this.#flight;
  }

  async #load(): Promise<KeySet> {
    try {
      // After a failure the address of the keys may have moved: ask for it again.
      if (this.#metadata === undefined || this.#failure !== undefined) {
        this.#metadata = await discover(this.#url, this.#options);
      }
      const { issuer, jwksUri } = this.#metadata;
      const document = await fetchJson(jwksUri, {}, this.#options);
      const next: KeySet = { issuer, keys: await importKeys(document), loadedAt: Date.now() };
      const previous = this.#set;
      this.#set = next;
      this.#failure = undefined;
      if (previous !== undefined && hasLostKey(previous, next)) this.#keysLeft += 1;
      this.#options.log?.({ event: 'keys_loaded', count: next.keys.size });
      return next;
    } catch (cause) {
      this.#failure = { at: Date.now(), cause };
      const reason = cause instanceof UpstreamError ? `${cause.code}: ${cause.message}` : 'unknown';
      this.#options.log?.({ event: 'keys_unreachable', reason });
      throw unreachable(cause);
    }
  }
}

function unreachable(cause: unknown): BearerError {
  return new BearerError('keys_unreachable', 'The keys of the issuer are out of reach', { cause });
}

// Either side of now counts, so that a clock set back does not freeze what is kept.
function isWithin(at: number, ms: number): boolean {
  return Math.abs(Date.now() - at) < ms;
}

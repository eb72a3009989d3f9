// All open connections, by session, and the one timer that looks whether the sessions last.
import type { WatchedSession } from '../auth/index.ts';

export interface Limits {
  /** How often each session is read again; at most 15, default 5. A connection outlives it by that. */
  everySeconds: number;
  /**
   * How long connections stay while the store cannot be reached; default 60. Longer than a restart
   * or failover of the store takes, since all clients would connect again at once; no longer, since
   * until then nobody knows which of them were signed out.
   */
  withoutStoreSeconds: number;
  /** Connections of one session, so that one user cannot use up the server; default 20. */
  perSession: number;
}

/** Why a connection is closed from here. */
export type Ending = 'session_ended' | 'store_unavailable' | 'shutdown';

export interface Connection {
  close(why: Ending): void;
  /** Sends something, so that no proxy takes the connection for idle and closes it. */
  beat(): void;
}

interface Watched {
  session: WatchedSession;
  connections: Set<Connection>;
  /** Since when the store could not be asked; on the monotonic clock, in milliseconds. */
  unknownSince?: number | undefined;
}

/** Ten thousand reads at once would keep the process from everything else. */
const CHUNK = 100;
/** Proxies close what was idle for 60 s, some after 30. */
const BEAT_MS = 15_000;

export class Connections {
  readonly #bySession = new Map<string, Watched>();
  readonly #limits: Limits;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isClosed = false;
  #lastBeat = performance.now();

  constructor({ everySeconds = 5, withoutStoreSeconds = 60, perSession = 20 }: Partial<Limits>) {
    if (!(everySeconds > 0 && everySeconds <= 15))
      throw new RangeError(`everySeconds: ${everySeconds} is not more than 0 and at most 15`);
    this.#limits = { everySeconds, withoutStoreSeconds, perSession };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  hasRoom({ key }: WatchedSession): boolean {
    return (this.#bySession.get(key)?.connections.size ?? 0) < this.#limits.perSession;
  }

  /** Returns a function to call once the connection has closed. */
  add(session: WatchedSession, connection: Connection): () => void {
    const watched = this.#bySession.get(session.key) ?? { session, connections: new Set() };
    this.#bySession.set(session.key, watched);
    watched.connections.add(connection);
    this.#schedule();
    return () => {
      watched.connections.delete(connection);
      this.#forgetIfEmpty(watched);
    };
  }

  close(): void {
    this.#isClosed = true;
    for (const watched of this.#bySession.values()) this.#end(watched, 'shutdown');
  }

  #schedule(): void {
    if (this.#timer || this.#isLooking || this.#bySession.size === 0) return;
    // Unreferenced: the process may end although connections are open.
    this.#timer = setTimeout(() => void this.#look(), 1_000 * this.#limits.everySeconds).unref();
  }

  async #look(): Promise<void> {
    this.#timer = undefined;
    this.#isLooking = true;
    const isBeat = performance.now() - this.#lastBeat >= BEAT_MS;
    if (isBeat) this.#lastBeat = performance.now();
    const all = [...this.#bySession.values()];
    for (let at = 0; at < all.length; at += CHUNK) {
      const chunk = all.slice(at, at + CHUNK);
      await Promise.all(chunk.map((watched) => this.#lookAt(watched)));
      if (isBeat) for (const { connections } of chunk) for (const each of connections) each.beat();
    }
    this.#isLooking = false;
    this.#schedule();
  }

  /** One read for all connections of a session. */
  async #lookAt(watched: Watched): Promise<void> {
    // The last one may have closed while an earlier chunk was read.
    if (watched.connections.size === 0) return;
    const isAlive = await watched.session.isAlive().catch(() => undefined);
    if (isAlive === false) return this.#end(watched, 'session_ended');
    if (isAlive) return void (watched.unknownSince = undefined);
    const now = performance.now();
    watched.unknownSince ??= now;
    if (now - watched.unknownSince >= 1_000 * this.#limits.withoutStoreSeconds)
      this.#end(watched, 'store_unavailable');
  }

  #end(watched: Watched, why: Ending): void {
    // A client may take its time to confirm the close: it no longer counts.
    const open = [...watched.connections];
    watched.connections.clear();
    this.#forgetIfEmpty(watched);
    for (const connection of open) connection.close(why);
  }

  #forgetIfEmpty(watched: Watched): void {
    const { key } = watched.session;
    // Meanwhile the session may have other connections: what was closed here reports back late.
    if (watched.connections.size > 0 || this.#bySession.get(key) !== watched) return;
    this.#bySession.delete(key);
    if (this.#bySession.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

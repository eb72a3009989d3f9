export interface Entry<T> {
  value: T;
  /** Milliseconds since the epoch; absent: never. */
  expiresAt?: number;
}

/** A map whose entries expire and that reports every change to its owner. */
export class ExpiringMap<T> {
  readonly #entries: Map<string, Entry<T>>;
  readonly #changed: () => void;

  constructor(changed: () => void, entries: readonly (readonly [string, Entry<T>])[] = []) {
    this.#changed = changed;
    this.#entries = new Map(entries);
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry && (entry.expiresAt ?? Infinity) > Date.now() ? entry.value : undefined;
  }

  set(key: string, value: T, seconds?: number): void {
    const expiresAt = seconds === undefined ? {} : { expiresAt: Date.now() + seconds * 1000 };
    this.#entries.set(key, { value, ...expiresAt });
    this.#changed();
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#changed();
  }

  live(): [string, T][] {
    return [...this.#entries.keys()].flatMap((key): [string, T][] => {
      const value = this.get(key);
      return value === undefined ? [] : [[key, value]];
    });
  }

  toJSON(): [string, Entry<T>][] {
    for (const key of this.#entries.keys()) {
      if (this.get(key) === undefined) this.#entries.delete(key);
    }
    return [...this.#entries];
  }
}

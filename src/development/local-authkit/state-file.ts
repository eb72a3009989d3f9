// The state of the local AuthKit, in memory and optionally in a file, so that people stay signed in
// across restarts. The file holds the environment's private keys and secrets: it has mode 0600, and
// git must ignore it.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AdapterPayload } from 'oidc-provider';
import { LocalAuthKitError } from './errors.ts';
import { ExpiringMap, type Entry } from './expiring-map.ts';
import { newSecret, ulid } from './identifiers.ts';
import { newSigningKey, type SigningKey } from './signing-keys.ts';
import { lock } from './state-lock.ts';

/** The scopes a person has allowed an application in one organization. */
export interface Consent {
  id: string;
  sub: string;
  clientId: string;
  orgId?: string;
  scopes: readonly string[];
}

/** The subject, application and consent of one authorization. */
export interface Authorization {
  consentId: string;
  sub: string;
  clientId: string;
  orgId?: string;
}

export interface IssuedToken {
  sub: string;
  clientId: string;
  /** Absent for the token of a machine. */
  consentId?: string;
}

/** What the page of people changed about one of them. */
export interface PersonChange {
  isDeleted?: boolean;
  givenName?: string;
  /** Permissions by organization; null once the person has left it. */
  memberships?: Record<string, readonly string[] | null>;
}

interface Snapshot {
  version: 1;
  port?: number;
  ids: Record<string, string>;
  signingKeys: SigningKey[];
  records: [string, Entry<AdapterPayload>][];
  consents: [string, Entry<Consent>][];
  authorizations: [string, Entry<Authorization>][];
  issuedTokens: [string, Entry<IssuedToken>][];
  people?: [sub: string, PersonChange][];
}

export class State {
  port: number | undefined;
  signingKeys: SigningKey[];
  /** The records of oidc-provider, by `Model:id`. */
  readonly records: ExpiringMap<AdapterPayload>;
  readonly consents: ExpiringMap<Consent>;
  /** By the grant id of oidc-provider. */
  readonly authorizations: ExpiringMap<Authorization>;
  /** Access tokens that are neither expired nor revoked, by `jti`. */
  readonly issuedTokens: ExpiringMap<IssuedToken>;
  /** By `sub`. */
  readonly people: Map<string, PersonChange>;
  readonly #ids: Map<string, string>;
  readonly #file: string | undefined;
  #unlock: (() => void) | undefined;
  #pending: NodeJS.Immediate | undefined;

  private constructor(file: string | undefined, snapshot: Partial<Snapshot>, keys: SigningKey[]) {
    const changed = () => this.changed();
    this.#file = file;
    this.#ids = new Map(Object.entries(snapshot.ids ?? {}));
    this.people = new Map(snapshot.people);
    this.port = snapshot.port;
    this.signingKeys = keys;
    this.records = new ExpiringMap(changed, snapshot.records);
    this.consents = new ExpiringMap(changed, snapshot.consents);
    this.authorizations = new ExpiringMap(changed, snapshot.authorizations);
    this.issuedTokens = new ExpiringMap(changed, snapshot.issuedTokens);
  }

  /**
   * Reads the file, or starts with a new state if there is none. While another process owns the
   * file, it is read but not written. Errors: `state_file`.
   */
  static async open(file: string | undefined): Promise<State> {
    if (file === undefined) return new State(undefined, {}, [await newSigningKey()]);
    const unlock = lock(file);
    const snapshot = readSnapshot(file);
    const keys = snapshot.signingKeys ?? [await newSigningKey()];
    const state = new State(unlock && file, snapshot, keys);
    state.#unlock = unlock;
    return state;
  }

  close(): void {
    if (!this.#unlock) return;
    this.save();
    this.#unlock();
    this.#unlock = undefined;
  }

  /** The id of this name: random, created on first use, and the same after a restart. */
  id(prefix: string, name: string): string {
    return this.#remember(`${prefix}_${name}`, () => `${prefix}_${ulid()}`);
  }

  secret(name: string): string {
    return this.#remember(`secret ${name}`, newSecret);
  }

  /** Schedules one write for all changes of this turn of the event loop. */
  changed(): void {
    if (this.#file !== undefined) this.#pending ??= setImmediate(() => this.save());
  }

  /** Writes now. Rename is atomic: a crash leaves the old file or the new one, never a part. */
  save(): void {
    clearImmediate(this.#pending);
    this.#pending = undefined;
    if (this.#file === undefined) return;
    const { port, signingKeys, records, consents, authorizations, issuedTokens } = this;
    const ids = Object.fromEntries(this.#ids);
    const people = [...this.people];
    const lists = { records, consents, authorizations, issuedTokens, people };
    const content = { port, ids, signingKeys, ...lists };
    writeFileSync(`${this.#file}.${process.pid}`, JSON.stringify({ version: 1, ...content }), {
      mode: 0o600,
    });
    renameSync(`${this.#file}.${process.pid}`, this.#file);
  }

  #remember(name: string, create: () => string): string {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const created = create();
    this.#ids.set(name, created);
    this.changed();
    return created;
  }
}

function readSnapshot(file: string): Partial<Snapshot> {
  try {
    const snapshot = JSON.parse(readFileSync(file, 'utf8')) as Snapshot;
    if (snapshot.version !== 1) throw new TypeError('unknown version');
    return snapshot;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return {};
    throw new LocalAuthKitError('state_file', `${file} cannot be read; delete it`, { cause });
  }
}

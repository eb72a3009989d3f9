// Sessions in PostgreSQL, for several machines. Each call is one statement on one table (sql.ts).
import { MOST_SESSIONS_PER_PERSON } from '../../auth/session/records.ts';
import { columnsOf } from '../columns.ts';
import { createProbe } from '../probe.ts';
import type { Indexes, Leases, Reads, Store, Writes } from '../types.ts';
import type { Postgres, Value } from './client.ts';
import { startPruning } from './pruning.ts';
import { STATEMENTS } from './sql.ts';

const PRUNE_EVERY_MS = 60_000;

/** pg returns a `bigint` as text. */
interface Row {
  key: string;
  data: Buffer;
  facts: Buffer | null;
  tokens: Buffer;
  version: number;
  label: string;
  started_at: string;
  last_seen_at: string;
  recheck_at: string;
  expires_at: string;
}

type Run = ReturnType<typeof runOn>;

function runOn(postgres: Postgres) {
  return async (name: keyof typeof STATEMENTS, ...values: Value[]) => {
    const { rows, rowCount } = await postgres.query<Row>(
      `authkit_${name}`,
      STATEMENTS[name],
      values,
    );
    return { rows, row: rows[0], isApplied: rowCount === 1 };
  };
}

/** Takes what `connectPostgres` returns, and closes it. Methods reject with StoreError only. */
export function postgresStore(postgres: Postgres): Store {
  const run = runOn(postgres);
  const written = { ...writes(run), ...leases(run) };
  const probe = createProbe(written);
  const stopPruning = startPruning(postgres, PRUNE_EVERY_MS);
  return {
    ...reads(run),
    ...written,
    ...indexes(run),
    async ping() {
      await run('ping');
      await probe();
    },
    async close() {
      await stopPruning();
      await postgres.close();
    },
  };
}

function reads(run: Run): Reads {
  return {
    async read(key) {
      const { row } = await run('read', key, Date.now());
      if (!row) return undefined;
      const { data, version } = row;
      const times = { lastSeenAt: Number(row.last_seen_at), recheckAt: Number(row.recheck_at) };
      return { data, facts: row.facts ?? undefined, version, ...times };
    },
    async readTokens(key) {
      const { row } = await run('read_tokens', key, Date.now());
      if (!row?.facts) return undefined;
      return { facts: row.facts, tokens: row.tokens, version: row.version };
    },
  };
}

function writes(run: Run): Writes {
  return {
    async insert(key, session) {
      await run('insert', key, ...columnsOf(session));
      const { signIn } = session;
      if (signIn) await run('end_oldest', signIn.keys.person, MOST_SESSIONS_PER_PERSON);
    },
    update: async (key, data, lastSeenAt, expiresAt) =>
      (await run('update', key, Date.now(), lastSeenAt, data, expiresAt)).isApplied,
    touch: async (key, lastSeenAt, expiresAt) =>
      (await run('touch', key, Date.now(), lastSeenAt, expiresAt)).isApplied,
    async replaceTokens(key, from, { facts, tokens, organization = null }) {
      const next = [facts, tokens, organization];
      return (await run('replace_tokens', key, Date.now(), from, ...next)).isApplied;
    },
    recheck: async (key, at) => void (await run('recheck', key, Date.now(), at)),
    async remove(key) {
      const { row } = await run('remove', key);
      return Number(row?.expires_at) > Date.now();
    },
  };
}

function indexes(run: Run): Indexes {
  const by = {
    person: 'by_person',
    organization: 'by_organization',
    issuerSession: 'by_issuer_session',
  } as const;
  return {
    async sessionsOf(person) {
      const { rows } = await run('by_person', person, Date.now());
      return rows.map(({ key, started_at, last_seen_at, label }) => ({
        key,
        startedAt: Number(started_at),
        lastSeenAt: Number(last_seen_at),
        label,
      }));
    },
    keysBy: async (index, indexKey) =>
      (await run(by[index], indexKey, Date.now())).rows.map(({ key }) => key),
  };
}

// A lease is a row of the same table; no key of a session, which is a hash, has a colon.
const leaseKey = (name: string) => `lease:${name}`;

function leases(run: Run): Leases {
  return {
    acquireLease: async (name, owner, ms) =>
      (await run('acquire_lease', leaseKey(name), owner, ms)).isApplied,
    renewLease: async (name, owner, ms) =>
      (await run('renew_lease', leaseKey(name), owner, ms)).isApplied,
    releaseLease: async (name, owner) => void (await run('release_lease', leaseKey(name), owner)),
  };
}

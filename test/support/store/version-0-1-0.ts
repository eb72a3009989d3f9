// Stores as version 0.1.0 wrote them: the tables of its session file and its Redis keys.
import { hash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { createClient } from 'redis';

export interface OldSession {
  key: string;
  /** Absent, like the optional members below, for a visitor's session. */
  userKey?: string;
  data: Buffer;
  grant?: Buffer;
  tokens?: Buffer;
  browser?: string;
  startedAt: number;
  lastSeenAt: number;
  expiresAt: number;
  endsAt: number;
}

/** The key under which version 0.1.0 grouped a person's sessions. */
export const oldUserKey = (issuer: string, sub: string) =>
  hash('sha256', `${issuer}\n${sub}`, 'base64url');

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sessions (
    key TEXT NOT NULL UNIQUE, user_key TEXT, data NOT NULL, "grant", version INTEGER NOT NULL,
    browser TEXT, started_at INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL, ends_at INTEGER NOT NULL, tokens
  );
  CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user_key) WHERE user_key IS NOT NULL;
  CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at);
  CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at);`;

/** Writes a session file with these sessions. */
export function writeOldFile(file: string, sessions: OldSession[]): void {
  mkdirSync(dirname(file), { recursive: true });
  const db = new Database(file);
  db.exec('PRAGMA page_size = 8192; PRAGMA journal_mode = WAL');
  db.exec(SCHEMA);
  const insert = db.prepare('INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  for (const { key, userKey = null, data, grant = null, tokens = null, ...more } of sessions) {
    const { browser = null, startedAt, lastSeenAt, expiresAt, endsAt } = more;
    const version = grant ? 1 : 0;
    const times = [startedAt, lastSeenAt, expiresAt, endsAt];
    insert.run([key, userKey, data, grant, version, browser, ...times, tokens]);
  }
  db.exec("INSERT INTO leases VALUES ('l', 'one', 1); INSERT INTO entries VALUES ('e', 'x', 1)");
  db.close();
}

/** Writes the Redis keys of these sessions. */
export async function writeOldKeys(url: string, sessions: OldSession[]): Promise<void> {
  const redis = await createClient({ url }).connect();
  for (const { key, userKey = '', data, grant, tokens, browser = '', ...times } of sessions) {
    const { startedAt, lastSeenAt, expiresAt, endsAt } = times;
    const version = grant ? 1 : 0;
    const about = [expiresAt, version, lastSeenAt, endsAt, startedAt, userKey, browser].join(' ');
    const hashed = { data, about, ...(grant && tokens && { grant, tokens }) };
    await redis.hSet(`session:{${key}}`, hashed);
    await redis.pExpire(`session:{${key}}`, expiresAt - Date.now());
    if (userKey) await redis.zAdd(`user:{${userKey}}`, { score: endsAt, value: key });
  }
  redis.destroy();
}

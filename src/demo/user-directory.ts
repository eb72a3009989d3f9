// The demo's own users: every user who has signed in here. Replace with your user table.
// Keyed by issuer and sub, and sealed, so that a stolen store reveals no name or e-mail address.
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { createSealer, type User } from '../auth/index.ts';
import type { Entries } from './entries.ts';

export interface UserDirectory {
  /** Stores the user's current data for a year. */
  upsert(user: User): Promise<void>;
  /** The user as of the last sign-in, without organization; null if there was none. */
  find(issuer: string, sub: string): Promise<User | null>;
}

const RETENTION_MS = 365 * 86_400_000;

const keyOf = (issuer: string, sub: string) => hash('sha256', `${issuer}\n${sub}`, 'base64url');

/** Both methods pass on rejections of `entries`. */
export function createUserDirectory(entries: Entries, secrets: readonly string[]): UserDirectory {
  const sealer = createSealer(secrets, 'user directory');
  // The API asks for the same users again and again, and opening takes longer than reading.
  const opened = new LRUCache<string, { sealed: string; content: object }>({ max: 1_000 });
  return {
    async upsert({ issuer, sub, orgId: _perSession, ...user }) {
      const key = keyOf(issuer, sub);
      const sealed = sealer.seal(user, key).toString('base64url');
      await entries.write(`directory:${key}`, sealed, Date.now() + RETENTION_MS);
    },
    async find(issuer, sub) {
      const key = keyOf(issuer, sub);
      const sealed = await entries.read(`directory:${key}`);
      if (sealed === undefined) return null;
      const known = opened.get(key);
      const isKnown = known?.sealed === sealed;
      const content = isKnown ? known.content : sealer.open(Buffer.from(sealed, 'base64url'), key);
      if (content === undefined) return null;
      if (!isKnown) opened.set(key, { sealed, content });
      return { issuer, sub, ...content };
    },
  };
}

// The demo's own users: who has ever signed in here. Replace with your user table.
// Keyed by issuer and sub, and sealed: a copied store shows no name and no e-mail address.
import { hash } from 'node:crypto';
import { createSealer, type User } from '../auth/index.ts';
import type { Entries } from './entries.ts';

export interface UserDirectory {
  /** Keeps the user for a year, as they are now. */
  upsert(user: User): Promise<void>;
  /** The user as they last signed in, without organization; null when they never did. */
  find(issuer: string, sub: string): Promise<User | null>;
}

const KEPT_MS = 365 * 86_400_000;

const keyOf = (issuer: string, sub: string) => hash('sha256', `${issuer}\n${sub}`, 'base64url');

/** Both methods reject with what `entries` rejects with. */
export function createUserDirectory(entries: Entries, secrets: readonly string[]): UserDirectory {
  const sealer = createSealer(secrets, 'user directory');
  return {
    async upsert({ orgId: _perSession, ...user }) {
      const key = keyOf(user.issuer, user.sub);
      const sealed = sealer.seal(JSON.stringify(user), key).toString('base64url');
      await entries.write(`directory:${key}`, sealed, Date.now() + KEPT_MS);
    },
    async find(issuer, sub) {
      const key = keyOf(issuer, sub);
      const sealed = await entries.read(`directory:${key}`);
      const content = sealed && sealer.open(Buffer.from(sealed, 'base64url'), key);
      return content ? (JSON.parse(content.toString()) as User) : null;
    },
  };
}

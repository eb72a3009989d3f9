// By what sessions are found beside their own keys: keyed hashes, so that a copied store does not tell
// whose sessions it holds. Made with the current secret; a look-up tries every secret, since sessions
// outlive a rotation.
import { hash } from 'node:crypto';
import type { SignedIn, User } from '../sign-in/user.ts';
import type { TokenFacts } from '../tokens/token-set.ts';
import type { IndexKeys } from './records.ts';
import { createKeyedHash } from './seal.ts';

/** Each function returns one index key a secret, the current one first. */
export class SessionIndex {
  readonly #hash;

  /** @throws RangeError without a secret, or with a short one */
  constructor(secrets: readonly string[]) {
    this.#hash = createKeyedHash(secrets, 'session index');
  }

  ofPerson({ issuer, sub }: Pick<User, 'issuer' | 'sub'>): string[] {
    // The last is that of version 0.1.0, whose sessions are still found.
    const unkeyed = hash('sha256', `${issuer}\n${sub}`, 'base64url');
    return [...this.#hash(JSON.stringify(['person', issuer, sub])), unkeyed];
  }

  ofOrganization(issuer: string, orgId: string): [string, ...string[]] {
    return this.#hash(JSON.stringify(['organization', issuer, orgId]));
  }

  /** `sid` of an ID token or a logout token (OpenID Connect Back-Channel Logout 1.0 §2.1, §2.4). */
  ofIssuerSession(issuer: string, sid: string): [string, ...string[]] {
    return this.#hash(JSON.stringify(['sid', issuer, sid]));
  }

  /** What a new session is to be found by. */
  keysFor({ user, claims: { sid } }: SignedIn, { orgId }: TokenFacts): IndexKeys {
    const [person = ''] = this.ofPerson(user);
    return {
      person,
      ...(orgId !== undefined && { organization: this.ofOrganization(user.issuer, orgId)[0] }),
      ...(typeof sid === 'string' && { issuerSession: this.ofIssuerSession(user.issuer, sid)[0] }),
    };
  }
}

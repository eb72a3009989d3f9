// What the store gets in place of what it must not know: sealed values, and keyed hashes to find sessions
// by. Sealing is AES-256-GCM under a key that takes two things to derive, a secret of the app and a context
// that only the browser's cookie holds (the session id). A copied store opens nothing, and neither does
// a leaked secret alone.
import crypto from 'node:crypto';
import type { SignedIn, User } from '../sign-in/user.ts';
import type { TokenFacts } from '../tokens/token-set.ts';
import type { IndexKeys } from './records.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SHORTEST_SECRET = 16;
const MAKE_ONE = `node -e "console.log(require('node:crypto').randomBytes(32).toString('base64url'))"`;

// In JavaScript an unset variable gets here as undefined.
const isShort = (secret?: string) => (secret ?? '').length < SHORTEST_SECRET;

const keyFor = (root: Buffer, context: string) =>
  crypto.createHmac('sha256', root).update(context).digest();

/** One root key a secret, for one purpose, by HKDF (RFC 5869). The first is the current one. */
function rootsFor(secrets: readonly string[], purpose: string): [Buffer, ...Buffer[]] {
  const [first, ...others] = secrets.map((secret) =>
    Buffer.from(crypto.hkdfSync('sha256', secret ?? '', '', purpose, 32)),
  );
  if (first && !secrets.some(isShort)) return [first, ...others];
  throw new RangeError(
    `sessionSecrets: at least one is needed, and ${SHORTEST_SECRET} characters in each; make one with: ${MAKE_ONE}`,
  );
}

/**
 * A sealer for one purpose; what one purpose sealed, no other opens. The first secret seals, all of
 * them open: that is how secrets are rotated. The context is a second expand step of the key.
 * @throws RangeError without a secret, or with a short one: what it seals could be opened by guessing
 */
export function createSealer(secrets: readonly string[], purpose: string) {
  const roots = rootsFor(secrets, purpose);

  return {
    seal(content: string | Uint8Array, context: string): Buffer {
      const [root] = roots;
      const nonce = crypto.randomBytes(NONCE_BYTES);
      const cipher = crypto.createCipheriv('aes-256-gcm', keyFor(root, context), nonce);
      const body = cipher.update(Buffer.from(content));
      // GCM adds nothing at its end but the tag.
      cipher.final();
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    /** What was sealed; undefined when it was not with one of the secrets for this context. */
    open(sealed: Uint8Array, context: string): Buffer | undefined {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
      const body = sealed.subarray(NONCE_BYTES + TAG_BYTES);
      for (const root of roots) {
        const decipher = crypto.createDecipheriv('aes-256-gcm', keyFor(root, context), nonce);
        decipher.setAuthTag(tag);
        try {
          const content = decipher.update(body);
          decipher.final();
          return content;
        } catch {
          // Sealed with another secret of the list, or not by us: the next one may fit.
        }
      }
      return undefined;
    },
  };
}

/**
 * By what sessions are found beside their own keys: keyed hashes, so that a copied store does not tell
 * whose sessions it holds. Each function returns one a secret: the current one to write, all of them to
 * look up, since sessions outlive a rotation.
 */
export class SessionIndex {
  readonly #roots;

  /** @throws RangeError as `createSealer` */
  constructor(secrets: readonly string[]) {
    this.#roots = rootsFor(secrets, 'session index');
  }

  ofPerson({ issuer, sub }: Pick<User, 'issuer' | 'sub'>): [string, ...string[]] {
    // The last is that of version 0.1.0, whose sessions are still found.
    const unkeyed = crypto.hash('sha256', `${issuer}\n${sub}`, 'base64url');
    return [...this.of('person', issuer, sub), unkeyed];
  }

  /** `sid` is that of an ID token or a logout token (OpenID Connect Back-Channel Logout 1.0 §2.1, §2.4). */
  of(kind: 'person' | 'organization' | 'sid', issuer: string, id: string): [string, ...string[]] {
    const [current, ...others] = this.#roots;
    const context = JSON.stringify([kind, issuer, id]);
    const keyed = (root: Buffer) => keyFor(root, context).toString('base64url');
    return [keyed(current), ...others.map(keyed)];
  }

  /** What a new session is to be found by. */
  keysFor({ user, claims: { sid } }: SignedIn, { orgId }: TokenFacts): IndexKeys {
    return {
      person: this.ofPerson(user)[0],
      organization: orgId && this.of('organization', user.issuer, orgId)[0],
      issuerSession: typeof sid === 'string' ? this.of('sid', user.issuer, sid)[0] : undefined,
    };
  }
}

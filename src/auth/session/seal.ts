// What keeps secrets from the store: it gets sealed values, and keyed hashes to find sessions by.
// Values are sealed by AES-256-GCM, under a key derived from a secret of the app and a context. The
// context of session data is the session id, which only the browser's cookie holds: neither a copied
// store nor a leaked secret opens a session, nor do both together.
import crypto from 'node:crypto';
import { deflateRawSync, inflateRawSync, type ZlibOptions } from 'node:zlib';
import type { SignedIn, User } from '../sign-in/user.ts';
import type { TokenFacts } from '../tokens/token-set.ts';
import { dictionary } from './dictionary.ts';
import type { IndexKeys } from './records.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/**
 * For what stays in the store. By default zlib allocates 256 kB for a value of one or two; here it
 * allocates 64.
 */
export const COMPRESSION = { dictionary, windowBits: 13, memLevel: 6 };
const MIN_SECRET_LENGTH = 16;
const MAKE_SECRET = `node -e "console.log(require('node:crypto').randomBytes(32).toString('base64url'))"`;

// From JavaScript, an unset variable arrives as undefined.
const isShort = (secret?: string) => (secret ?? '').length < MIN_SECRET_LENGTH;

const keyFor = (root: Buffer, context: string) =>
  crypto.createHmac('sha256', root).update(context).digest();

/**
 * Tells sealed values apart: nonce and tag, which no two of them share. Whoever writes to the store can
 * forge it, and gains what leaving the value alone would give.
 */
export const sealOf = (sealed: Buffer) => sealed.toString('latin1', 0, NONCE_BYTES + TAG_BYTES);

/** One root key per secret, for one purpose, by HKDF (RFC 5869). The first is the current one. */
function rootsFor(secrets: readonly string[], purpose: string): [Buffer, ...Buffer[]] {
  const [first, ...others] = secrets.map((secret) =>
    Buffer.from(crypto.hkdfSync('sha256', secret ?? '', '', purpose, 32)),
  );
  if (first && !secrets.some(isShort)) return [first, ...others];
  throw new RangeError(
    `sessionSecrets: needs at least one secret, each of ${MIN_SECRET_LENGTH} characters or more; make one with: ${MAKE_SECRET}`,
  );
}

/**
 * A sealer for one purpose, which opens nothing that was sealed for another. The first secret seals
 * and all of them open, so that secrets can be rotated. Each context has a key of its own:
 * HMAC-SHA-256 of the context under the root key.
 * IMPORTANT: compress (`zlib`) nothing that leaves the store, such as a cookie. Its length could
 * reveal a secret beside text that an attacker chooses (CRIME, CVE-2012-4929).
 * @throws RangeError without a secret, or for a short one, which an attacker could guess
 */
export function createSealer(secrets: readonly string[], purpose: string, zlib?: ZlibOptions) {
  const roots = rootsFor(secrets, purpose);

  return {
    /** Seals an object as JSON, compressed if `zlib` is given. */
    seal(value: object, context: string): Buffer {
      const nonce = crypto.randomBytes(NONCE_BYTES);
      const cipher = crypto.createCipheriv('aes-256-gcm', keyFor(roots[0], context), nonce);
      const json = Buffer.from(JSON.stringify(value));
      const body = cipher.update(zlib ? deflateRawSync(json, zlib) : json);
      // In GCM, final() only makes the tag; it returns no bytes.
      cipher.final();
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    /** The value; undefined unless it was sealed for this context with one of the secrets. */
    open(sealed: Uint8Array, context: string): object | undefined {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = sealed.subarray(0, NONCE_BYTES);
      for (const root of roots) {
        const decipher = crypto.createDecipheriv('aes-256-gcm', keyFor(root, context), nonce);
        decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
        try {
          const content = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
          decipher.final();
          // JSON begins with 0x7b, a brace. Compressed, it never does.
          const json = content[0] === 0x7b ? content : inflateRawSync(content, { dictionary });
          // IMPORTANT: parse only what our own key has opened.
          return JSON.parse(json.toString()) as object;
        } catch {
          // Sealed with another secret, or not by us: try the next secret.
        }
      }
      return undefined;
    },
  };
}

/**
 * Further keys that sessions are found by: keyed hashes, so that a copied store does not reveal
 * whose sessions it holds. Each function returns one key per secret: the first to write,
 * all of them to look up, since sessions outlive a rotation.
 */
export class SessionIndex {
  readonly #roots;

  /** @throws RangeError as `createSealer` */
  constructor(secrets: readonly string[]) {
    this.#roots = rootsFor(secrets, 'session index');
  }

  ofPerson({ issuer, sub }: Pick<User, 'issuer' | 'sub'>): [string, ...string[]] {
    // The last is the key of version 0.1.0, so that its sessions are still found.
    const unkeyed = crypto.hash('sha256', `${issuer}\n${sub}`, 'base64url');
    return [...this.of('person', issuer, sub), unkeyed];
  }

  /** `sid` is that of an ID token (OpenID Connect Back-Channel Logout 1.0 §2.1). */
  of(kind: 'person' | 'organization' | 'sid', issuer: string, id: string): [string, ...string[]] {
    const context = JSON.stringify([kind, issuer, id]);
    const keyed = (root: Buffer) => keyFor(root, context).toString('base64url');
    return this.#roots.map(keyed) as [string, ...string[]];
  }

  /** The index keys of a new session. */
  keysFor({ user, claims: { sid } }: SignedIn, { orgId }: TokenFacts): IndexKeys {
    return {
      person: this.ofPerson(user)[0],
      organization: orgId && this.of('organization', user.issuer, orgId)[0],
      issuerSession: typeof sid === 'string' ? this.of('sid', user.issuer, sid)[0] : undefined,
    };
  }
}

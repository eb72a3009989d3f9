// Sealing: AES-256-GCM under a key that takes two things to derive, a secret of the app and a context
// that only the browser's cookie holds (the session id). A copied store opens nothing, and neither does
// a leaked secret alone.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SHORTEST_SECRET = 16;
const MAKE_ONE = `node -e "console.log(require('node:crypto').randomBytes(32).toString('base64url'))"`;

// In JavaScript an unset variable gets here as undefined.
const isShort = (secret?: string) => (secret ?? '').length < SHORTEST_SECRET;

const keyFor = (root: Buffer, context: string) =>
  createHmac('sha256', root).update(context).digest();

export interface Sealer {
  seal(content: string | Uint8Array, context: string): Buffer;
  /** What was sealed; undefined when it was not with one of the secrets for this context. */
  open(sealed: Uint8Array, context: string): Buffer | undefined;
}

/** One root key a secret, for one purpose, by HKDF (RFC 5869). The first is the current one. */
function rootsFor(secrets: readonly string[], purpose: string): [Buffer, ...Buffer[]] {
  const [first, ...others] = secrets.map((secret) =>
    Buffer.from(hkdfSync('sha256', secret ?? '', '', purpose, 32)),
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
export function createSealer(secrets: readonly string[], purpose: string): Sealer {
  const roots = rootsFor(secrets, purpose);

  return {
    seal(content, context) {
      const [root] = roots;
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', keyFor(root, context), nonce);
      const body = cipher.update(Buffer.from(content));
      // GCM adds nothing at its end but the tag.
      cipher.final();
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, context) {
      if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const nonce = sealed.subarray(0, NONCE_BYTES);
      const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
      const body = sealed.subarray(NONCE_BYTES + TAG_BYTES);
      for (const root of roots) {
        const decipher = createDecipheriv('aes-256-gcm', keyFor(root, context), nonce);
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
 * A keyed hash, by which the store finds records without learning what they are about. The function
 * returns one hash a secret: the first to write, all of them to look up after a rotation.
 * @throws RangeError as `createSealer`
 */
export function createKeyedHash(secrets: readonly string[], purpose: string) {
  const roots = rootsFor(secrets, purpose);
  return (content: string): [string, ...string[]] => {
    const [first, ...others] = roots;
    const hashed = (root: Buffer) => keyFor(root, content).toString('base64url');
    return [hashed(first), ...others.map(hashed)];
  };
}

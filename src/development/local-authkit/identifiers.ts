// Identifiers in AuthKit's formats: a prefix and a ULID (`user_01H...`), and secrets of 64 hex
// characters. https://github.com/ulid/spec

import { randomBytes } from 'node:crypto';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

function base32(value: bigint, length: number): string {
  let text = '';
  for (let rest = value; text.length < length; rest >>= 5n) {
    text = CROCKFORD.charAt(Number(rest & 31n)) + text;
  }
  return text;
}

/** Returns a new ULID: 48 bits of milliseconds, 80 random bits, 26 characters. */
export function ulid(): string {
  return (
    base32(BigInt(Date.now()), 10) + base32(BigInt(`0x${randomBytes(10).toString('hex')}`), 16)
  );
}

/** Returns a new client secret: 64 hex characters. */
export function newSecret(): string {
  return randomBytes(32).toString('hex');
}

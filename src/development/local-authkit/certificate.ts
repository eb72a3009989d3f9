// Creates a self-signed X.509 certificate for an RSA key: AuthKit's JWKS has `x5c` and `x5t#S256`
// (RFC 7517 §4.7, §4.9), and Node can read certificates but not create them.
// Structure: RFC 5280 §4.1. No client trusts it; verifiers use `n` and `e`.

import { createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const SHA256_WITH_RSA = Buffer.from('06092a864886f70d01010b0500', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const VERSION_3 = Buffer.from('a003020102', 'hex');

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const hex = body.length.toString(16);
  const length = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 + length.length]), length, body]);
}

function utcTime(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}

/** Takes an RSA private key and a common name; returns a DER certificate valid for ten years. */
export function selfSignedCertificate(privateKey: KeyObject, commonName: string): Buffer {
  const algorithm = der(SEQUENCE, SHA256_WITH_RSA);
  const name = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, COMMON_NAME, der(0x0c, Buffer.from(commonName)))),
  );
  const now = Date.now();
  const certificate = der(
    SEQUENCE,
    VERSION_3,
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    name,
    der(SEQUENCE, utcTime(now), utcTime(now + 10 * 365 * 86_400_000)),
    name,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', certificate, privateKey);
  return der(SEQUENCE, certificate, algorithm, der(0x03, Buffer.from([0]), signature));
}

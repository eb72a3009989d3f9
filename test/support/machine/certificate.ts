// Certificates for servers with TLS, of one key: making a key takes a quarter of a second.
import { generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { selfSignedCertificate } from '../../../src/development/local-authkit/certificate.ts';

let privateKey: KeyObject | undefined;

/** A certificate for this host that nobody trusts, and its key, as PEM. */
export function certificateFor(host: string): { cert: string; key: string } {
  privateKey ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const cert = new X509Certificate(selfSignedCertificate(privateKey, host)).toString();
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

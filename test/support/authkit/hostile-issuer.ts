// An issuer that means harm, or is broken in every way a host can be. It signs everybody in at once
// (sign-in-issuer.ts), with tokens bent by `vary`; here are the forgeries, and the answers that are
// no answers. All over real HTTP and with real keys.
import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { decodeJwt, generateKeyPair, SignJWT, type JWTHeaderParameters } from 'jose';
import { base64url } from './forge.ts';
import { makeKey, type SigningKey } from './issuer.ts';
import { startSignInIssuer, type SignInIssuer } from './sign-in-issuer.ts';

export type Forge = (idToken: string) => string | Promise<string>;

export interface HostileIssuer extends SignInIssuer {
  /** Published beside `key`, so that a token without `kid` could be of either. */
  second: SigningKey;
  /** Never published. */
  foreign: SigningKey;
}

/** Starts one with two published keys. */
export async function startHostileIssuer(): Promise<HostileIssuer> {
  const issuer = await startSignInIssuer();
  const [second, foreign] = await Promise.all([makeKey(), makeKey()]);
  issuer.published.push(second.jwk);
  return Object.assign(issuer, { second, foreign });
}

/** The same claims signed with this key; only what `header` says is in the header. */
export function signedAgain(header: JWTHeaderParameters, { privateKey }: SigningKey): Forge {
  return (idToken) => new SignJWT(decodeJwt(idToken)).setProtectedHeader(header).sign(privateKey);
}

/** The same claims under another algorithm, with a key made for it. */
export function signedWith(alg: string, kid: string): Forge {
  return async (idToken) => {
    const { privateKey } = await generateKeyPair(alg);
    return new SignJWT(decodeJwt(idToken)).setProtectedHeader({ alg, kid }).sign(privateKey);
  };
}

/** HS256 keyed with this text: what a verifier that trusts `alg` accepts. */
export function keyedWith(secret: string): Forge {
  return (idToken) =>
    new SignJWT(decodeJwt(idToken))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
}

/** The same claims with this header, the signature left as it was. */
export function withHeader(header: Record<string, unknown>, signature?: string): Forge {
  return (idToken) => {
    const [, payload, old] = idToken.split('.');
    return `${base64url(header)}.${payload}.${signature ?? old}`;
  };
}

/** Answers that are none. `trap` is where the redirect leads: nobody may come there. */
export const TRAP = '/trap';
const MEGABYTE = 'x'.repeat(1_048_576);
const JSON_HEAD = { 'content-type': 'application/json' };

const answers =
  (body: string, head: Record<string, string> = JSON_HEAD): RequestListener =>
  (_req, res) =>
    void res.writeHead(200, head).end(body);
const status =
  (code: number): RequestListener =>
  (_req, res) =>
    void res.writeHead(code, { ...JSON_HEAD, 'retry-after': '1' }).end('{}');

/** Answered at once, one way or the other. */
export const BROKEN: Record<string, RequestListener> = {
  'status 500': status(500),
  'status 503': status(503),
  'status 429': status(429),
  'an oversized answer': answers(`{"padding":"${MEGABYTE}"}`),
  // Half a megabyte per kilobyte: small on the wire, bounded only after it is unpacked.
  'an oversized answer, compressed': (_req, res) =>
    void res
      .writeHead(200, { ...JSON_HEAD, 'content-encoding': 'gzip' })
      .end(gzipSync(`{"padding":"${MEGABYTE}"}`)),
  'a cut answer': (_req, res) => {
    res.writeHead(200, { ...JSON_HEAD, 'content-length': '1000' });
    res.write('{"issuer":', () => res.socket?.destroy());
  },
  'malformed JSON': answers('{"access_token":"secret-in-malformed-json'),
  'a list': answers('[]'),
  'an empty answer': answers(''),
  'a page': answers('<h1>secret-in-a-page</h1>', { 'content-type': 'text/html' }),
  'a redirect': (_req, res) => void res.writeHead(302, { location: TRAP }).end(),
  'a redirect that keeps the method': (_req, res) =>
    void res.writeHead(307, { location: TRAP }).end(),
  'a dropped connection': (req) => void req.socket.destroy(),
  'bytes that are no HTTP': (req) => void req.socket.end('\u0000\u0001 not HTTP\r\n\r\n'),
  'headers of 100 kB': (_req, res) =>
    void res.writeHead(200, { ...JSON_HEAD, 'x-padding': 'x'.repeat(100_000) }).end('{}'),
};
/** Never done: only a deadline of our own ends them. */
export const ENDLESS: Record<string, RequestListener> = {
  'no answer': () => undefined,
  'an answer whose body never comes': (_req, res) => {
    res.writeHead(200, JSON_HEAD).flushHeaders();
  },
  'a byte every 100 ms, for ever': (_req, res) => {
    res.writeHead(200, JSON_HEAD);
    const timer = setInterval(() => res.write(' '), 100);
    res.on('close', () => clearInterval(timer));
  },
};

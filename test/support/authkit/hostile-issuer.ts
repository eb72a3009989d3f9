// A hostile or broken issuer: sign-in-issuer.ts with forged ID tokens and broken responses, over
// real HTTP and with real keys.
import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { decodeJwt, generateKeyPair, SignJWT, type JWTHeaderParameters } from 'jose';
import { base64url } from './forge.ts';
import { makeKey, type SigningKey } from './issuer.ts';
import { startSignInIssuer, type SignInIssuer } from './sign-in-issuer.ts';

export type Forge = (idToken: string) => string | Promise<string>;

export interface HostileIssuer extends SignInIssuer {
  /** Published beside `key`, so that a token without `kid` could be signed by either. */
  second: SigningKey;
  /** Never published. */
  foreign: SigningKey;
}

// Made once: a key takes a quarter of a second.
let keys: Promise<[SigningKey, SigningKey]> | undefined;

/** Starts one with two published keys. */
export async function startHostileIssuer(): Promise<HostileIssuer> {
  const issuer = await startSignInIssuer();
  keys ??= Promise.all([makeKey(), makeKey()]);
  const [second, foreign] = await keys;
  issuer.published.push(second.jwk);
  return Object.assign(issuer, { second, foreign });
}

/** The same claims signed with this key, under exactly this header. */
export function signedAgain(header: JWTHeaderParameters, { privateKey }: SigningKey): Forge {
  return (idToken) => new SignJWT(decodeJwt(idToken)).setProtectedHeader(header).sign(privateKey);
}

/** The same claims signed by another algorithm with a new key. */
export function signedWith(alg: string, kid: string): Forge {
  return async (idToken) => {
    const { privateKey } = await generateKeyPair(alg);
    return new SignJWT(decodeJwt(idToken)).setProtectedHeader({ alg, kid }).sign(privateKey);
  };
}

/** The same claims by HS256 keyed with this text, which a verifier that trusts `alg` accepts. */
export function keyedWith(secret: string): Forge {
  return (idToken) =>
    new SignJWT(decodeJwt(idToken))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
}

/** The same claims with this header, by default with the old signature. */
export function withHeader(header: Record<string, unknown>, signature?: string): Forge {
  return (idToken) => {
    const [, payload, old] = idToken.split('.');
    return `${base64url(header)}.${payload}.${signature ?? old}`;
  };
}

/** The target of the redirects in BROKEN, which no client may request. */
export const TRAP = '/trap';
const MEGABYTE = 'x'.repeat(1_048_576);
const JSON_HEAD = { 'content-type': 'application/json' };

const respondWith =
  (body: string, head: Record<string, string> = JSON_HEAD): RequestListener =>
  (_req, res) =>
    void res.writeHead(200, head).end(body);
const status =
  (code: number): RequestListener =>
  (_req, res) =>
    void res.writeHead(code, { ...JSON_HEAD, 'retry-after': '1' }).end('{}');

/** Broken responses that end at once. */
export const BROKEN: Record<string, RequestListener> = {
  'status 500': status(500),
  'status 503': status(503),
  'status 429': status(429),
  'an oversized response': respondWith(`{"padding":"${MEGABYTE}"}`),
  // A megabyte in about a kilobyte: only a limit on the decompressed body stops it.
  'an oversized response, compressed': (_req, res) =>
    void res
      .writeHead(200, { ...JSON_HEAD, 'content-encoding': 'gzip' })
      .end(gzipSync(`{"padding":"${MEGABYTE}"}`)),
  'a truncated response': (_req, res) => {
    res.writeHead(200, { ...JSON_HEAD, 'content-length': '1000' });
    res.write('{"issuer":', () => res.socket?.destroy());
  },
  'malformed JSON': respondWith('{"access_token":"secret-in-malformed-json'),
  'a list': respondWith('[]'),
  'an empty response': respondWith(''),
  'a page': respondWith('<h1>secret-in-a-page</h1>', { 'content-type': 'text/html' }),
  'a redirect': (_req, res) => void res.writeHead(302, { location: TRAP }).end(),
  'a redirect that keeps the method': (_req, res) =>
    void res.writeHead(307, { location: TRAP }).end(),
  'a dropped connection': (req) => void req.socket.destroy(),
  'bytes that are no HTTP': (req) => void req.socket.end('\u0000\u0001 not HTTP\r\n\r\n'),
  'headers of 100 kB': (_req, res) =>
    void res.writeHead(200, { ...JSON_HEAD, 'x-padding': 'x'.repeat(100_000) }).end('{}'),
};
/** Responses that never end: only the client's deadline stops them. */
export const ENDLESS: Record<string, RequestListener> = {
  'no response': () => undefined,
  'a response whose body never comes': (_req, res) => {
    res.writeHead(200, JSON_HEAD).flushHeaders();
  },
  'a byte every 100 ms, for ever': (_req, res) => {
    res.writeHead(200, JSON_HEAD);
    const timer = setInterval(() => res.write(' '), 100);
    res.on('close', () => clearInterval(timer));
  },
};

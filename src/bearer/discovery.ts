// Discovery of the issuer's metadata, and the bounded fetch for every request to the issuer.
// OpenID Connect Discovery 1.0: https://openid.net/specs/openid-connect-discovery-1_0.html

/** For one request, including the response body. */
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 256 * 1024;

export type Fetch = typeof globalThis.fetch;

export interface ServerMetadata {
  /** `iss` of every token must equal this string exactly. */
  issuer: string;
  jwksUri: string;
  introspectionEndpoint: string | undefined;
  /** Whether it does not list client_secret_post: without a list, Basic is meant (§3). */
  isBasicOnly: boolean;
}

/** The issuer could not be reached, or its response is not usable. Contains no secrets. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: 'unreachable' | 'bad_response' | 'issuer_mismatch' | 'insecure_url';

  constructor(code: UpstreamError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Takes the issuer's URL and fetches `<issuer>/.well-known/openid-configuration` (§4).
 * @throws UpstreamError `unreachable`, `bad_response`, `issuer_mismatch` or `insecure_url`
 */
export async function discover(issuer: URL, fetch?: Fetch): Promise<ServerMetadata> {
  const address = `${issuer.href.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = await fetchJson(address, {}, fetch);
  const named = String(document['issuer']).slice(0, 300);
  // Metadata that names another issuer must not supply the keys of this one (§4.3). Only the slash
  // that URL adds to a bare origin is ignored; `iss` of tokens is compared with `named` exactly.
  if (URL.parse(named)?.href !== issuer.href) {
    const message = `the issuer is configured as ${issuer.href} but its metadata names ${named}`;
    throw new UpstreamError('issuer_mismatch', message);
  }
  const url = (name: string) => safeUrl(document[name], name, named).href;
  const canIntrospect = document['introspection_endpoint'] !== undefined;
  const listed = (endpoint: string) => document[`${endpoint}_endpoint_auth_methods_supported`];
  const methods = JSON.stringify(listed('introspection') ?? listed('token') ?? []);
  return {
    issuer: named,
    jwksUri: url('jwks_uri'),
    introspectionEndpoint: canIntrospect ? url('introspection_endpoint') : undefined,
    isBasicOnly: !methods.includes('"client_secret_post"'),
  };
}

/** The issuer as it was written: URL adds a slash to a bare origin, which has no other. */
export const nameOf = ({ origin, pathname, href }: URL) => (pathname === '/' ? origin : href);

/**
 * Returns the URL if it is https, or http on loopback (RFC 8252 §8.3). Metadata of an https issuer
 * may name https URLs only, so that it cannot direct requests to services on this machine.
 * @throws UpstreamError `insecure_url`, with `name` in its message
 */
export function safeUrl(value: unknown, name: string, issuer?: string): URL {
  const url = URL.canParse(String(value)) ? new URL(String(value)) : undefined;
  const isLoopback = /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3})$/.test(url?.hostname ?? '');
  const mayBeHttp = isLoopback && issuer?.startsWith('https:') !== true;
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && mayBeHttp)) return url;
  throw new UpstreamError('insecure_url', `${name} must be https, or http on loopback`);
}

/**
 * Sends a request and returns the JSON object in the response, at most 256 kB.
 * @throws UpstreamError `unreachable`; `bad_response` unless it is a 200 with a JSON object
 */
export async function fetchJson(
  url: string,
  init: RequestInit,
  fetch: Fetch = globalThis.fetch,
): Promise<Record<string, unknown>> {
  const { pathname } = new URL(url);
  try {
    // A redirect could send the client secret to another host, or fetch keys from one.
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, { ...init, redirect: 'manual', signal });
    const value: unknown = response.status === 200 ? await readJson(response) : undefined;
    if (isObject(value)) return value;
    await response.body?.cancel();
    const message = `${pathname}: status ${response.status} without a usable JSON object`;
    throw new UpstreamError('bad_response', message);
  } catch (cause) {
    if (cause instanceof UpstreamError) throw cause;
    const isNotJson = cause instanceof SyntaxError;
    if (isNotJson) throw new UpstreamError('bad_response', `${pathname}: not JSON`, { cause });
    const { message } = ((cause as Error).cause ?? cause) as Error;
    throw new UpstreamError('unreachable', `no response from ${pathname}: ${message}`, { cause });
  }
}

async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new UpstreamError('bad_response', `more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}

/** Whether this is a JSON object, not null or an array. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

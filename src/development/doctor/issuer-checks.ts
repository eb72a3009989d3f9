// Checks the issuer: it is reachable, has exactly the configured name and the endpoints and keys
// that sign-in needs, and its clock agrees with ours.
import { isLoopbackHttp, SignInError } from '../../auth/index.ts';
import { discover } from '../../auth/issuer.ts';
import { issuerName } from '../../config/urls.ts';
import { locationOf, type Http, type HttpResponse } from './http.ts';
import { counted, ok, problem, warning, type Finding } from './report.ts';

const REQUIRED_MEMBERS = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'];
const SKEW_TOLERATED_S = 30;
const SKEW_WORTH_A_WARNING_S = 5;

const NOT_AUTHKIT = 'AUTHKIT_ISSUER: this is not AuthKit; set the domain shown in the dashboard';

/** The issuer's metadata (RFC 8414 §2), not yet checked. */
export type Metadata = Record<string, unknown>;

/**
 * Takes the configured issuer; returns the findings, and the metadata if sign-in could use it. The
 * issuer of the metadata must be the configured one (OpenID Connect Discovery §4.3).
 */
export async function checkIssuer(
  issuer: URL,
  http: Http,
): Promise<{ findings: Finding[]; metadata?: Metadata }> {
  const base = issuer.href.replace(/\/$/, '');
  const url = new URL(`${base}/.well-known/openid-configuration`);
  const response = await http.send(url);
  const metadata = response.json;
  const advertised = metadata?.['issuer'];
  if (response.status !== 200 || !metadata || typeof advertised !== 'string') {
    const wrongPath = await checkPath(issuer, response, url, http);
    return {
      findings: [wrongPath ?? noConfiguration(issuer, response, locationOf(response, url))],
    };
  }
  if (!URL.canParse(advertised) || new URL(advertised).href !== issuer.href) {
    const found = `set to ${issuerName(issuer)}, but its metadata names ${advertised}`;
    return { findings: [problem('issuer', found, `AUTHKIT_ISSUER=${advertised}`)] };
  }
  const findings = [
    ok('issuer', advertised),
    checkMetadata(metadata),
    ok('offers', offersOf(metadata)),
    await checkKeys(metadata, http),
    checkClock(response),
  ];
  const discovered = await discoverAsApp(issuer, http);
  if (discovered instanceof SignInError) return { findings: withRefusal(findings, discovered) };
  // Without its endpoints, the application cannot be checked.
  const isUsable = REQUIRED_MEMBERS.every((name) => typeof discovered[name] === 'string');
  return isUsable ? { findings, metadata: discovered } : { findings };
}

const named = (names: string[]) => names.map((name) => name.replace('_', ' ')).join(', ');
const OPTIONAL_ENDPOINTS = ['userinfo', 'revocation', 'introspection', 'end_session'];

/** What the issuer offers beside a sign-in, of what the app uses (RFC 8414 §2). */
function offersOf(metadata: Metadata): string {
  const { token_endpoint_auth_methods_supported: methods } = metadata;
  const has = (name: string) => metadata[`${name}_endpoint`] !== undefined;
  const missing = OPTIONAL_ENDPOINTS.filter((name) => !has(name));
  return [
    // Without a list, Basic is meant (OpenID Connect Discovery §3).
    `client authentication by ${Array.isArray(methods) ? methods.join(', ') : 'client_secret_basic (no list)'}`,
    named(OPTIONAL_ENDPOINTS.filter(has)),
    metadata['backchannel_logout_supported'] === true ? 'back-channel logout' : undefined,
    missing.length > 0 ? `not ${named(missing)}` : undefined,
  ]
    .filter(Boolean)
    .join('; ');
}

/**
 * The metadata as the app discovers it, or why the app refuses it. The probes of the application
 * use no other: they must not send the client secret where the app would not.
 */
async function discoverAsApp(issuer: URL, { fetch }: Http): Promise<Metadata | SignInError> {
  try {
    const { config } = await discover({ issuer, clientId: 'doctor', ...(fetch && { fetch }) });
    return { ...config.serverMetadata() };
  } catch (error) {
    return error instanceof SignInError ? error : new SignInError('issuer_unreachable');
  }
}

function withRefusal(findings: Finding[], { message, hint = message }: SignInError): Finding[] {
  const isExplained = findings.some(
    ({ check, status }) => status === 'problem' && check !== 'clock',
  );
  if (isExplained) return findings;
  const refusal = problem('metadata', `the app refuses it: ${hint}`, NOT_AUTHKIT);
  return findings.map((finding) => (finding.check === 'metadata' ? refusal : finding));
}

/**
 * AuthKit's issuer is an origin. For one copied with the path of an endpoint, reports the URL
 * requested and, if the origin alone is an issuer, the line to set.
 */
async function checkPath(
  issuer: URL,
  response: HttpResponse,
  requested: URL,
  http: Http,
): Promise<Finding | undefined> {
  const { pathname, origin } = issuer;
  if (pathname === '/' || response.failure !== undefined) return undefined;
  const found = `the path ${pathname} is wrong: no OpenID configuration at ${requested.href}`;
  const { json } = await http.send(new URL('/.well-known/openid-configuration', origin));
  const own = json?.['issuer'];
  const isIssuer = typeof own === 'string' && URL.parse(own)?.href === `${origin}/`;
  const change = isIssuer
    ? `AUTHKIT_ISSUER=${origin}`
    : 'AUTHKIT_ISSUER: set the AuthKit domain of the dashboard, without a path';
  return problem('issuer', `${found} (HTTP ${response.status})`, change);
}

function noConfiguration(issuer: URL, { failure, status }: HttpResponse, target?: URL): Finding {
  const { host } = issuer;
  if (failure?.startsWith('HTTPS_PROXY:')) {
    const change = `HTTPS_PROXY: set the proxy of this network, or NO_PROXY=${host} if it needs none`;
    return problem('issuer', `${host}: ${failure}`, change);
  }
  if (failure?.includes('NODE_EXTRA_CA_CERTS') === true) {
    const change =
      'NODE_EXTRA_CA_CERTS=<a PEM file> in the environment, not in .env, of every start';
    return problem('issuer', `${host}: ${failure}`, change);
  }
  if (failure !== undefined) {
    const start = isLoopbackHttp(issuer) ? 'npm run authkit, or ' : '';
    const change = `${start}AUTHKIT_ISSUER=https://<subdomain>.authkit.app, as shown in the dashboard`;
    return problem('issuer', `${host}: ${failure}`, change);
  }
  if (target) {
    const found = `${host} redirects to ${target.origin}; an issuer must not redirect`;
    return problem('issuer', found, `AUTHKIT_ISSUER=${target.origin}`);
  }
  const found = `${host} has no OpenID configuration (HTTP ${status})`;
  const change = 'AUTHKIT_ISSUER: set the AuthKit domain of the dashboard, not api.workos.com';
  return problem('issuer', found, change);
}

function checkMetadata(metadata: Metadata): Finding {
  const missing = REQUIRED_MEMBERS.filter((name) => typeof metadata[name] !== 'string');
  if (missing.length > 0) {
    return problem('metadata', `missing ${missing.join(', ')}`, NOT_AUTHKIT);
  }
  const algorithms = metadata['id_token_signing_alg_values_supported'];
  if (Array.isArray(algorithms) && !algorithms.includes('RS256')) {
    return problem('metadata', 'RS256 is not supported for ID tokens', NOT_AUTHKIT);
  }
  return ok('metadata', 'has what a sign-in needs');
}

/** Checks for a key that can verify RS256 signatures (RFC 7517 §4.1, §4.2, §4.5). */
async function checkKeys(metadata: Metadata, http: Http): Promise<Finding> {
  const uri = metadata['jwks_uri'];
  if (typeof uri !== 'string' || !URL.canParse(uri)) {
    return problem('keys', 'jwks_uri is not a URL', NOT_AUTHKIT);
  }
  const { json, failure, status } = await http.send(new URL(uri));
  if (failure !== undefined) {
    return problem(
      'keys',
      `${uri}: ${failure}`,
      'allow this machine to reach that address (firewall?)',
    );
  }
  const keys = json?.['keys'];
  const usable = Array.isArray(keys) ? keys.filter((key) => isRsaSigningKey(key)) : [];
  return usable.length > 0
    ? ok('keys', counted(usable.length, 'RSA signing key'))
    : problem('keys', `${uri} has no RSA signing key (HTTP ${status})`, NOT_AUTHKIT);
}

function isRsaSigningKey(key: unknown): boolean {
  const { kty, use, kid } = (key ?? {}) as Record<string, unknown>;
  return kty === 'RSA' && (use === undefined || use === 'sig') && typeof kid === 'string';
}

function checkClock({ headers }: HttpResponse): Finding {
  const date = Date.parse(headers.get('date') ?? '');
  if (!Number.isFinite(date)) return warning('clock', 'the issuer sends no Date header');
  const seconds = Math.round((Date.now() - date) / 1000);
  const found = `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the issuer`;
  const change = 'this machine: set its clock (NTP), or tokens seem expired or not yet valid';
  if (Math.abs(seconds) > SKEW_TOLERATED_S) return problem('clock', found, change);
  return Math.abs(seconds) > SKEW_WORTH_A_WARNING_S
    ? warning('clock', found, change)
    : ok('clock', found);
}

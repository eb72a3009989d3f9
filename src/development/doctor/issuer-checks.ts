// The issuer: reachable, called exactly so, with the endpoints and keys sign-in needs, on our time.
import { isLoopbackHttp } from '../../auth/index.ts';
import { ask, locationOf, type Answer } from './http.ts';
import { counted, ok, problem, warning, type Finding } from './report.ts';

const NEEDED = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'];
const SKEW_TOLERATED_S = 30;
const SKEW_WORTH_A_WARNING_S = 5;

const NOT_AUTHKIT = 'AUTHKIT_ISSUER: this is no AuthKit; set the domain shown in the dashboard';

/** What the issuer says of itself (RFC 8414 §2); nothing of it is checked yet. */
export type Metadata = Record<string, unknown>;

/**
 * Takes the configured issuer; returns the findings, and the metadata where sign-in could use it.
 * The issuer of the metadata must be the configured one (OpenID Connect Discovery §4.3).
 */
export async function checkIssuer(
  issuer: URL,
): Promise<{ findings: Finding[]; metadata?: Metadata }> {
  const base = issuer.href.replace(/\/$/, '');
  const url = new URL(`${base}/.well-known/openid-configuration`);
  const answer = await ask(url);
  const metadata = answer.json;
  const advertised = metadata?.['issuer'];
  if (answer.status !== 200 || !metadata || typeof advertised !== 'string') {
    const wrongPath = await checkPath(issuer, answer, url);
    return { findings: [wrongPath ?? noConfiguration(issuer, answer, locationOf(answer, url))] };
  }
  if (!URL.canParse(advertised) || new URL(advertised).href !== issuer.href) {
    const found = `set to ${base}, but it calls itself ${advertised}`;
    return { findings: [problem('issuer', found, `AUTHKIT_ISSUER=${advertised}`)] };
  }
  const findings = [
    ok('issuer', advertised),
    checkMetadata(metadata),
    await checkKeys(metadata),
    checkClock(answer),
  ];
  // Without its endpoints there is nothing to probe the application with.
  const isUsable = !NEEDED.some((name) => !URL.canParse(String(metadata[name])));
  return isUsable ? { findings, metadata } : { findings };
}

/**
 * AuthKit's issuer is an origin. One copied with the path of an endpoint is told what it asked for,
 * and the line to set where the origin alone has a configuration of that name.
 */
async function checkPath(issuer: URL, answer: Answer, asked: URL): Promise<Finding | undefined> {
  const { pathname, origin } = issuer;
  if (pathname === '/' || answer.silence !== undefined) return undefined;
  const found = `the path ${pathname} is wrong: no OpenID configuration at ${asked.href}`;
  const { json } = await ask(new URL('/.well-known/openid-configuration', origin));
  const own = String(json?.['issuer']);
  const isThere = URL.canParse(own) && new URL(own).href === `${origin}/`;
  const change = isThere
    ? `AUTHKIT_ISSUER=${origin}`
    : 'AUTHKIT_ISSUER: set the AuthKit domain of the dashboard, without a path';
  return problem('issuer', `${found} (HTTP ${answer.status})`, change);
}

function noConfiguration(issuer: URL, { silence, status }: Answer, target?: URL): Finding {
  const { host } = issuer;
  if (silence !== undefined) {
    const start = isLoopbackHttp(issuer) ? 'npm run authkit, or ' : '';
    const change = `${start}AUTHKIT_ISSUER=https://<subdomain>.authkit.app, as the dashboard shows it`;
    return problem('issuer', `${host}: ${silence}`, change);
  }
  if (target) {
    const found = `${host} sends on to ${target.origin}; an issuer answers itself`;
    return problem('issuer', found, `AUTHKIT_ISSUER=${target.origin}`);
  }
  const found = `${host} has no OpenID configuration there (HTTP ${status})`;
  const change = 'AUTHKIT_ISSUER: set the AuthKit domain of the dashboard, not api.workos.com';
  return problem('issuer', found, change);
}

function checkMetadata(metadata: Metadata): Finding {
  const missing = NEEDED.filter((name) => typeof metadata[name] !== 'string');
  if (missing.length > 0) {
    return problem('metadata', `lacks ${missing.join(', ')}`, NOT_AUTHKIT);
  }
  const algorithms = metadata['id_token_signing_alg_values_supported'];
  if (Array.isArray(algorithms) && !algorithms.includes('RS256')) {
    return problem('metadata', 'RS256 is not offered for ID tokens', NOT_AUTHKIT);
  }
  const extras = ['end_session_endpoint', 'revocation_endpoint', 'introspection_endpoint']
    .map((name) => `${name in metadata ? 'with' : 'without'} ${name.replace('_endpoint', '')}`)
    .join(', ');
  return ok('metadata', extras);
}

/** RFC 7517 §4.1, §4.2, §4.5: what an RS256 signature is verified with. */
async function checkKeys(metadata: Metadata): Promise<Finding> {
  const uri = String(metadata['jwks_uri']);
  if (!URL.canParse(uri)) return problem('keys', `${uri} is no URL`, NOT_AUTHKIT);
  const { json, silence, status } = await ask(new URL(uri));
  if (silence !== undefined) {
    return problem('keys', `${uri}: ${silence}`, 'let this machine reach that address (firewall?)');
  }
  const keys = json?.['keys'];
  const usable = Array.isArray(keys) ? keys.filter((key) => isRsaSigningKey(key)) : [];
  return usable.length > 0
    ? ok('keys', counted(usable.length, 'RSA signing key'))
    : problem('keys', `${uri} holds no RSA signing key (HTTP ${status})`, NOT_AUTHKIT);
}

function isRsaSigningKey(key: unknown): boolean {
  const { kty, use, kid } = (key ?? {}) as Record<string, unknown>;
  return kty === 'RSA' && (use === undefined || use === 'sig') && typeof kid === 'string';
}

function checkClock({ headers }: Answer): Finding {
  const date = Date.parse(headers.get('date') ?? '');
  if (!Number.isFinite(date)) return warning('clock', 'the issuer sends no Date header');
  const seconds = Math.round((Date.now() - date) / 1000);
  const found = `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the issuer`;
  const change = 'this machine: set its clock (NTP), or tokens count as expired or not yet valid';
  if (Math.abs(seconds) > SKEW_TOLERATED_S) return problem('clock', found, change);
  return Math.abs(seconds) > SKEW_WORTH_A_WARNING_S
    ? warning('clock', found, change)
    : ok('clock', found);
}

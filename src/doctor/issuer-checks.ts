// The issuer: reachable, called exactly so, with the endpoints and keys sign-in needs, on our time.
import { ask, type Answer } from './http.ts';
import { ok, problem, warning, type Finding } from './report.ts';

const NEEDED = ['authorization_endpoint', 'token_endpoint', 'jwks_uri'];
const SKEW_TOLERATED_S = 30;
const SKEW_WORTH_A_WARNING_S = 5;

export type Metadata = Record<string, unknown>;

/** The findings, and the metadata where the issuer is usable. */
export async function checkIssuer(
  issuer: URL,
): Promise<{ findings: Finding[]; metadata?: Metadata }> {
  const base = issuer.href.replace(/\/$/, '');
  const answer = await ask(new URL(`${base}/.well-known/openid-configuration`));
  if (!answer) {
    const change =
      'AUTHKIT_ISSUER: set a host that answers, such as https://<subdomain>.authkit.app';
    return { findings: [problem('issuer', `${issuer.host} does not answer`, change)] };
  }
  const metadata = answer.json;
  if (answer.status !== 200 || typeof metadata?.['issuer'] !== 'string') {
    const found = `${issuer.host} has no OpenID configuration (HTTP ${answer.status})`;
    const change = 'AUTHKIT_ISSUER: set the AuthKit domain of the dashboard, not api.workos.com';
    return { findings: [problem('issuer', found, change)] };
  }
  const advertised = metadata['issuer'];
  if (!URL.canParse(advertised) || new URL(advertised).href !== issuer.href) {
    const found = `configured ${base}, advertised ${advertised}`;
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

function checkMetadata(metadata: Metadata): Finding {
  const missing = NEEDED.filter((name) => typeof metadata[name] !== 'string');
  if (missing.length > 0) {
    return problem(
      'metadata',
      `lacks ${missing.join(', ')}`,
      'AUTHKIT_ISSUER: is this an AuthKit?',
    );
  }
  const algorithms = metadata['id_token_signing_alg_values_supported'];
  if (Array.isArray(algorithms) && !algorithms.includes('RS256')) {
    return problem('metadata', 'RS256 is not offered', 'AUTHKIT_ISSUER: is this an AuthKit?');
  }
  const extras = ['end_session_endpoint', 'revocation_endpoint', 'introspection_endpoint']
    .map((name) => `${name in metadata ? 'with' : 'without'} ${name.replace('_endpoint', '')}`)
    .join(', ');
  return ok('metadata', extras);
}

async function checkKeys(metadata: Metadata): Promise<Finding> {
  const uri = String(metadata['jwks_uri']);
  const answer = URL.canParse(uri) ? await ask(new URL(uri)) : undefined;
  const keys = answer?.json?.['keys'];
  const usable = Array.isArray(keys) ? keys.filter((key) => isRsaSigningKey(key)) : [];
  if (usable.length === 0) {
    const found = answer ? 'holds no RSA signing key' : 'does not answer';
    return problem('keys', `${uri} ${found}`, 'nothing here; ask WorkOS support');
  }
  return ok('keys', `${usable.length} RSA signing key${usable.length > 1 ? 's' : ''}`);
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
  const change = 'set this machine’s clock (NTP)';
  if (Math.abs(seconds) > SKEW_TOLERATED_S) return problem('clock', found, change);
  return Math.abs(seconds) > SKEW_WORTH_A_WARNING_S
    ? warning('clock', found, change)
    : ok('clock', found);
}

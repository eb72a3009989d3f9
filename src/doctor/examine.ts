// The order of the checks: settings, issuer, application, store, the app behind its proxy.
import { ConfigError, parseConfig, type Config } from '../config.ts';
import { checkAudience, checkClient } from './client-checks.ts';
import { checkIssuer } from './issuer-checks.ts';
import { checkBaseUrl, checkStore } from './own-checks.ts';
import { ok, problem, warning, type Finding } from './report.ts';

/** All checks, in the order in which one builds on another. `accessToken` is only read. */
export async function examine(
  env: Record<string, string | undefined>,
  accessToken?: string,
): Promise<Finding[]> {
  let config: Config;
  try {
    config = parseConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => {
      const [name = '', what = '', change = ''] = line.split(/: |; /);
      return problem('settings', `${name}: ${what}`, `${name}: ${change}`);
    });
  }
  return [
    ok('settings', config.production ? 'complete for production' : 'fine for development'),
    ...config.warnings.map((line) => warning('settings', line)),
    ...(await checkAuthKit(config, accessToken)),
    await checkStore(config),
    ...(await checkBaseUrl(config)),
  ];
}

async function checkAuthKit(config: Config, accessToken?: string): Promise<Finding[]> {
  const { authKit } = config;
  if (!authKit)
    return [ok('issuer', 'AUTHKIT_ISSUER is not set: the app starts its local AuthKit')];
  const { findings, metadata } = await checkIssuer(authKit.issuer);
  if (!metadata) return findings;
  return [
    ...findings,
    ...(await checkClient(config, authKit, metadata)),
    checkAudience(config, authKit.issuer, accessToken),
  ];
}

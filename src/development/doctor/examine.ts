// Runs the checks in order: settings, issuer, application, store, the app behind its proxy.
import { ConfigError, parseConfig, type Config } from '../../config/config.ts';
import { checkApp } from './app-checks.ts';
import { checkAudience } from './audience-checks.ts';
import { checkClient } from './client-checks.ts';
import { checkIssuer } from './issuer-checks.ts';
import { UNKNOWN_CLIENT } from './registration-checks.ts';
import { ok, problem, warning, type Finding } from './report.ts';
import { checkStore } from './store-checks.ts';

/**
 * Takes a function that reads the environment, and optionally an access token, which is only read. Returns the findings of
 * all checks, each after those it depends on; never rejects because of a fault that it checks for.
 */
export async function examine(
  readEnvironment: () => Record<string, string | undefined>,
  accessToken?: string,
): Promise<Finding[]> {
  let config: Config;
  try {
    config = parseConfig(readEnvironment());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((line) => {
      const [name = '', what = '', change = ''] = line.split(/: |; /);
      return problem('settings', `${name} ${what}`, `${name}: ${change}`);
    });
  }
  return [
    ok('settings', config.production ? 'complete for production' : 'fine for development'),
    // checkAudience reports a missing API_AUDIENCE.
    ...config.warnings
      .filter((line) => !line.startsWith('API_AUDIENCE:'))
      .map((line) => warning('settings', line)),
    ...(await checkAuthKit(config, accessToken)),
    await checkStore(config),
    ...(await checkApp(config)),
  ];
}

async function checkAuthKit(config: Config, accessToken?: string): Promise<Finding[]> {
  const { authKit } = config;
  if (!authKit)
    return [ok('issuer', 'AUTHKIT_ISSUER is not set: the app starts its local AuthKit')];
  const { findings, metadata } = await checkIssuer(authKit.issuer);
  const clientFindings = metadata ? await checkClient(config, authKit, metadata) : [];
  // If the environment's client id was set as the application's, API_AUDIENCE is right.
  const isMixedUp =
    clientFindings.includes(UNKNOWN_CLIENT) && config.apiAudience?.includes(authKit.clientId);
  const audience = isMixedUp ? [] : [checkAudience(config, authKit.issuer, accessToken)];
  return [...findings, ...clientFindings, ...audience];
}

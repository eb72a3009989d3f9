// Runs the checks in order: settings, issuer, application, store, the app behind its proxy.
import { ConfigError, parseConfig, type Config } from '../../config/config.ts';
import { checkApp } from './app-checks.ts';
import { checkAudience } from './audience-checks.ts';
import { checkClient } from './client-checks.ts';
import { createHttp, type Http } from './http.ts';
import { checkIssuer } from './issuer-checks.ts';
import { ENVIRONMENT_CLIENT } from './registration-checks.ts';
import { ok, problem, warning, type Finding } from './report.ts';
import { checkStore } from './store-checks.ts';

/**
 * Takes a function that reads the environment, and optionally an access token, which is only read.
 * Returns the findings of all checks, each after those it depends on. Rejects only if
 * `readEnvironment` throws anything but a ConfigError.
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
  const http = createHttp(config.proxy);
  return [
    ok('settings', config.production ? 'complete for production' : 'fine for development'),
    // checkAudience reports a missing API_AUDIENCE.
    ...config.warnings
      .filter((line) => !line.startsWith('API_AUDIENCE:'))
      .map((line) => warning('settings', line)),
    ...(await attempt('issuer', () => checkAuthKit(config, http, accessToken))),
    ...(await attempt('store', async () => [await checkStore(config)])),
    ...(await attempt('app', () => checkApp(config, http))),
  ];
}

/** What one check did not expect must not hide the findings of the others. */
async function attempt(check: string, run: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await run();
  } catch (error) {
    const { code, name } = Object(error) as { code?: unknown; name?: unknown };
    const found = `cannot be checked (${String(code ?? name)})`;
    return [problem(check, found, 'run the doctor again; if it persists, look at the app’s log')];
  }
}

async function checkAuthKit(config: Config, http: Http, accessToken?: string): Promise<Finding[]> {
  const { authKit } = config;
  if (!authKit)
    return [ok('issuer', 'AUTHKIT_ISSUER is not set: the app starts its local AuthKit')];
  const { findings, metadata } = await checkIssuer(authKit.issuer, http);
  const clientFindings = metadata ? await checkClient(config, authKit, metadata, http) : [];
  const isMixedUp = clientFindings.includes(ENVIRONMENT_CLIENT);
  const audience = isMixedUp ? [] : [checkAudience(config, authKit.issuer, accessToken)];
  return [...findings, ...clientFindings, ...audience];
}

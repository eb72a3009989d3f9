// Starts an app with the settings of the local AuthKit's first-party application, so that it needs
// none of its own: `main.js -- node server.js`.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LocalAuthKitError } from './errors.ts';
import type { LocalAuthKit } from './start.ts';

/** Where the app will be: BASE_URL if it is a URL, else localhost at PORT, else at 3000. */
export function baseUrlIn({ BASE_URL = '', PORT = '3000' }: NodeJS.ProcessEnv): string {
  return /^https?:\/\/./.test(BASE_URL) ? BASE_URL : `http://localhost:${PORT}`;
}

/**
 * Runs the command until it ends, or until SIGINT or SIGTERM, which it receives too.
 * @returns its exit code
 * Errors: LocalAuthKitError `command` if it cannot be started.
 */
export async function runCommand(
  authKit: LocalAuthKit,
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const baseUrl = baseUrlIn(env);
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const app = spawn(program, args, {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: {
      // Random, and kept in the state file: another one at each start would end all sessions.
      SESSION_SECRET: clientSecrets[1],
      PORT: new URL(baseUrl).port,
      ...env,
      BASE_URL: baseUrl,
      AUTHKIT_ISSUER: authKit.issuer,
      OAUTH_APP_CLIENT_ID: clientId,
      OAUTH_APP_CLIENT_SECRET: clientSecrets[0],
      API_AUDIENCE: authKit.environmentClientId,
      WORKOS_WEBHOOK_SECRET: authKit.webhookSecret,
    },
  });
  const pass = (signal: NodeJS.Signals) => void app.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, pass);
  try {
    const [code] = (await once(app, 'exit')) as [number | null];
    return code ?? 1;
  } catch (error) {
    const { message } = error as Error;
    throw new LocalAuthKitError('command', `${program} cannot be started: ${message}`);
  }
}

// Fills in missing settings in development: a local AuthKit, and a session secret that is kept.
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError, type Config } from '../config/config.ts';
import type { LocalAuthKit } from './local-authkit/start.ts';
import type { CompleteConfig } from '../process/start.ts';

const SECRET_FILE = '.data/session-secret';
const AUTHKIT_FILE = '.data/local-authkit.json';

export interface Completed {
  config: CompleteConfig;
  /** The caller must close it. */
  local?: LocalAuthKit;
}

/**
 * Completes the config. Starts the local AuthKit if no issuer is set (never in production).
 * @throws ConfigError if the local AuthKit is not installed, or the file with the secret is damaged
 */
export async function complete(config: Config): Promise<Completed> {
  const sessionSecrets = config.sessionSecrets ?? [await loadOrCreateSecret()];
  if (config.authKit) {
    const { authKit } = config;
    const apiAudience = config.apiAudience ?? [config.resource ?? authKit.clientId];
    return { config: { ...config, authKit, sessionSecrets, apiAudience, localAuthKit: false } };
  }
  const local = await startLocal(config);
  const { clientId, clientSecrets } = local.applications.firstParty;
  const authKit = { issuer: new URL(local.issuer), clientId, clientSecret: clientSecrets[0] };
  const apiAudience = config.apiAudience ?? [config.resource ?? local.environmentClientId];
  const webhooks = { toleranceSeconds: 180, ...config.webhooks, secrets: [local.webhookSecret] };
  const found = { authKit, sessionSecrets, apiAudience, webhooks };
  return { config: { ...config, ...found, localAuthKit: true }, local };
}

async function startLocal({ baseUrl, resource }: Config): Promise<LocalAuthKit> {
  const { startLocalAuthKit } = await importLocalAuthKit();
  return startLocalAuthKit({
    stateFile: AUTHKIT_FILE,
    redirectUris: [new URL('/callback', baseUrl).href],
    postLogoutRedirectUris: [new URL('/signed-out', baseUrl).href],
    webhookUrl: new URL('/webhooks/authkit', baseUrl).href,
    ...(resource !== undefined && { resources: [resource] }),
  });
}

/** The only import of the local AuthKit, whose development dependencies may be missing. */
async function importLocalAuthKit() {
  try {
    return await import('./local-authkit/start.ts');
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new ConfigError([
      'AUTHKIT_ISSUER: is not set, and the local AuthKit is not installed; set your issuer, or run "npm ci" with development dependencies',
    ]);
  }
}

async function loadOrCreateSecret(): Promise<string> {
  const fresh = randomBytes(32).toString('base64url');
  await mkdir(dirname(SECRET_FILE), { recursive: true });
  // Written to a file of its own, then linked: if two instances start together, one wins, and
  // neither ever reads a half-written secret.
  const draft = `${SECRET_FILE}.${process.pid}`;
  await writeFile(draft, fresh, { mode: 0o600 });
  await link(draft, SECRET_FILE).catch(() => undefined);
  await rm(draft);
  const secret = (await readFile(SECRET_FILE, 'utf8')).trim();
  if (secret.length >= fresh.length) return secret;
  throw new ConfigError([`SESSION_SECRET: ${SECRET_FILE} is damaged; delete it, or set a secret`]);
}

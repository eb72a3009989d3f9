// The real app in this process, with a real local AuthKit, both on free loopback ports.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseConfig } from '../../../src/config/config.ts';
import { startTestAuthKit, type LocalAuthKit } from '../authkit/local-authkit.ts';
import type { startLocalAuthKit } from '../../../src/development/local-authkit/start.ts';
import { createLog } from '../../../src/process/log.ts';
import { startApp, type RunningApp } from '../../../src/process/start.ts';
import { Browser } from '../browser/browser.ts';
import { freePort } from '../machine/free-port.ts';

export { freePort } from '../machine/free-port.ts';

export type Kind = 'firstParty' | 'publicApp' | 'thirdParty';

export interface TestAppOptions {
  kind?: Kind;
  /** Default: a free one. */
  port?: number;
  /** Settings beside those that point to the local AuthKit. */
  env?: Record<string, string>;
  /** Has the local AuthKit send its webhooks to the app. */
  webhooks?: boolean;
  /** Has the local AuthKit send logout tokens to the app. */
  backchannelLogout?: boolean;
  authKit?: Partial<Parameters<typeof startLocalAuthKit>[0]>;
}

export interface LogLine {
  level: string;
  event?: string;
  [field: string]: unknown;
}

export interface TestApp {
  url: string;
  port: number;
  authKit: LocalAuthKit;
  /** The log lines so far, parsed. */
  log: LogLine[];
  /** The folder with the session store and the local AuthKit's state. */
  folder: string;
  env: Record<string, string>;
  /** Restarts the app on the same port, store and secrets, with changed settings. */
  restart(env?: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const folder = await mkdtemp(join(tmpdir(), 'authkit-express-'));
  const port = options.port ?? (await freePort());
  const url = `http://localhost:${port}`;
  const authKit = await startTestAuthKit({
    stateFile: join(folder, 'authkit.json'),
    redirectUris: [`${url}/callback`],
    postLogoutRedirectUris: [`${url}/signed-out`],
    ...(options.webhooks && { webhookUrl: `${url}/webhooks/authkit` }),
    ...(options.backchannelLogout && { backchannelLogoutUri: `${url}/backchannel-logout` }),
    ...options.authKit,
  });
  const log: LogLine[] = [];
  const env: Record<string, string> = {
    ...settingsFor(authKit, options.kind ?? 'firstParty'),
    BASE_URL: url,
    PORT: String(port),
    SESSION_SECRET: 'a-secret-of-the-tests-0123456789-abcdef',
    SESSION_DB: join(folder, 'sessions.db'),
    LOG_LEVEL: 'trace',
    RATE_LIMIT: '0',
    SHUTDOWN_GRACE_SECONDS: '0',
    ...(options.webhooks && { WORKOS_WEBHOOK_SECRET: authKit.webhookSecret }),
    ...options.env,
  };
  let running: RunningApp | undefined = await run(env, log);

  return {
    url,
    port,
    authKit,
    log,
    folder,
    env,
    async restart(changed = {}) {
      await running?.close();
      Object.assign(env, changed);
      running = await run(env, log);
    },
    async stop() {
      await running?.close();
      running = undefined;
    },
    async close() {
      await running?.close();
      await authKit.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function run(env: Record<string, string>, log: LogLine[]): Promise<RunningApp> {
  const config = parseConfig(env);
  if (!config.authKit || !config.sessionSecrets)
    throw new Error('the test settings are incomplete');
  const write = (line: string) => void log.push(JSON.parse(line) as LogLine);
  const apiAudience = config.apiAudience ?? [config.authKit.clientId];
  const complete = {
    ...config,
    authKit: config.authKit,
    sessionSecrets: config.sessionSecrets,
    apiAudience,
    localAuthKit: true,
  };
  return startApp(complete, createLog(config.logLevel, { write }));
}

/** The settings for this kind of application at that AuthKit. */
export function settingsFor(authKit: LocalAuthKit, kind: Kind): Record<string, string> {
  const { firstParty, publicApp, thirdParty } = authKit.applications;
  const byKind = {
    firstParty: {
      OAUTH_APP_CLIENT_ID: firstParty.clientId,
      OAUTH_APP_CLIENT_SECRET: firstParty.clientSecrets[0],
    },
    publicApp: { OAUTH_APP_CLIENT_ID: publicApp.clientId },
    thirdParty: {
      OAUTH_APP_CLIENT_ID: thirdParty.clientId,
      OAUTH_APP_CLIENT_SECRET: thirdParty.clientSecret,
    },
  };
  return {
    AUTHKIT_ISSUER: authKit.issuer,
    API_AUDIENCE: authKit.environmentClientId,
    ...byKind[kind],
  };
}

/** Resolves once the app has discovered its issuer and reaches its store. */
export async function untilReady({ url }: TestApp): Promise<void> {
  const probe = new Browser();
  while ((await probe.fetch(`${url}/readyz`)).status !== 200) await delay(20);
}

/** Signs this person in over HTTP, starting at the page `path`, by the same requests as clicks. */
export async function signIn(
  app: TestApp,
  { person = 'Bruno', organization = '', path = '/profile', browser = new Browser() } = {},
): Promise<Browser> {
  let page = await browser.open(`${app.url}${path}`);
  if (page.url.port !== String(app.port)) page = await browser.follow(await browser.press(person));
  if (organization !== '') page = await browser.follow(await browser.press(organization));
  if (page.url.port !== String(app.port)) await browser.follow(await browser.press('Allow'));
  return browser;
}

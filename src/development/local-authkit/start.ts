// The local AuthKit: a real OpenID provider for development and tests that behaves like WorkOS
// AuthKit (the README.md in this folder lists what it imitates). Never for production.
// Read next: endpoints in app.ts, the protocol in provider.ts, the screens in interactions.ts.

import type { RequestListener } from 'node:http';
import { createLocalApp } from './app.ts';
import { createEnvironment, type Environment } from './environment.ts';
import { LocalAuthKitError } from './errors.ts';
import { closeAll, listenOnLoopback, portOf } from './listen.ts';
import { State } from './state-file.ts';

export interface LocalAuthKitOptions {
  /** Default: the last port used, else 4000; another if it is taken; 0: any. Loopback only. */
  port?: number;
  /** Keeps keys, grants, sessions and clients across restarts; absent: in memory only. */
  stateFile?: string;
  /** Redirect URIs of the web applications. */
  redirectUris: readonly string[];
  postLogoutRedirectUris?: readonly string[];
  /** Advertises and serves end_session_endpoint; default false, as at AuthKit. */
  endSession?: boolean;
  /** Advertises and serves revocation_endpoint, for refresh tokens; default true. */
  revocation?: boolean;
  /** Supported resource indicators (RFC 8707); default none: `resource` is ignored. */
  resources?: readonly string[];
  /** Seconds during which a used refresh token still works; default 10. */
  replaySeconds?: number;
  /** Where to send webhooks, signed with `webhookSecret`; default: nowhere. */
  webhookUrl?: string;
  /**
   * Sends logout tokens there (OIDC Back-Channel Logout 1.0) when a person signs out of the local
   * AuthKit, and advertises that; default: no, as at AuthKit.
   */
  backchannelLogoutUri?: string;
}

export type LocalAuthKit = Awaited<ReturnType<typeof startLocalAuthKit>>;

const DEFAULT_PORT = 4000;

/**
 * Starts a local AuthKit on loopback.
 * Errors: LocalAuthKitError `production` if NODE_ENV is production, `state_file` if the file cannot
 * be read.
 */
export async function startLocalAuthKit(options: LocalAuthKitOptions) {
  if (process.env['NODE_ENV'] === 'production') {
    throw new LocalAuthKitError(
      'production',
      'The local AuthKit is for development only; set AUTHKIT_ISSUER to your own AuthKit.',
    );
  }
  const state = await State.open(options.stateFile);
  // The app needs the port for its issuer, and the port is known only after listening.
  let handle = notReady;
  // The port is part of the issuer: reusing the last one keeps people signed in.
  const ports = options.port === undefined ? [state.port, DEFAULT_PORT] : [options.port];
  const preferred = ports.find((port) => port !== undefined);
  const servers = await listenOnLoopback((req, res) => handle(req, res), ports);
  state.port = portOf(servers);
  const environment = createEnvironment({
    issuer: `http://localhost:${state.port}`,
    state,
    redirectUris: options.redirectUris,
    postLogoutRedirectUris: options.postLogoutRedirectUris ?? [],
    endSession: options.endSession ?? false,
    revocation: options.revocation ?? true,
    resources: options.resources ?? [],
    replaySeconds: options.replaySeconds ?? 10,
    ...(options.webhookUrl !== undefined && { webhookUrl: options.webhookUrl }),
    ...(options.backchannelLogoutUri !== undefined && {
      backchannelLogoutUri: options.backchannelLogoutUri,
    }),
  });
  const { app, control, webhooks } = createLocalApp(environment);
  handle = app;
  state.changed();

  return {
    ...describe(environment),
    /** The preferred port if another program uses it: the issuer then has another port. */
    takenPort: preferred === 0 || preferred === state.port ? undefined : preferred,
    control,
    webhookSecret: webhooks.secret,
    async close(): Promise<void> {
      webhooks.close();
      await closeAll(servers);
      state.close();
    },
  };
}

const notReady: RequestListener = (_req, res) => {
  res.writeHead(503).end();
};

function describe({ issuer, clientId, people, applications }: Environment) {
  const { firstParty, publicApp, thirdParty, machine, commandLine } = applications;
  const [first = '', second = ''] = firstParty.secrets;
  const secrets: [string, string] = [first, second];
  return {
    issuer,
    environmentClientId: clientId,
    applications: {
      firstParty: { clientId: firstParty.clientId, clientSecrets: secrets },
      publicApp: { clientId: publicApp.clientId },
      thirdParty: {
        clientId: thirdParty.clientId,
        clientSecret: thirdParty.secrets[0] ?? '',
        name: thirdParty.name,
        organization: thirdParty.organization,
        logo: thirdParty.logo,
      },
      machine: { clientId: machine.clientId, clientSecret: machine.secrets[0] ?? '' },
      commandLine: { clientId: commandLine.clientId },
    },
    people,
  };
}

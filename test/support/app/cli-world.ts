// The command-line example and an issuer that signs every user in without a screen, so that a test
// can break each of their requests. It serves the API too.
import type { RequestListener } from 'node:http';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base } from 'vitest';
import { json } from '../authkit/issuer.ts';
import { CLIENT_ID, startSignInIssuer, type SignInIssuer } from '../authkit/sign-in-issuer.ts';
import { runExample, type Run, type RunOptions } from './examples.ts';

export interface CliWorld {
  issuer: SignInIssuer;
  /** The home folder of the user. */
  folder: string;
  tokenFile: string;
  /** Members of the response to a device authorization request. */
  device: Record<string, unknown>;
  run: (args: string[], env?: NodeJS.ProcessEnv, options?: RunOptions) => Run;
  /** Signs in with a browser that follows each redirect; resolves to the end of the program. */
  login: (env?: NodeJS.ProcessEnv, options?: RunOptions) => Run['ended'];
  /** The requests to the token endpoint so far. */
  tokenRequests: () => number;
  /** Each of these responds to one token request; the issuer itself responds to those after. */
  respondOnce: (...listeners: RequestListener[]) => void;
  /** The files in the folder of the tokens. */
  files: () => Promise<string[]>;
  close: () => Promise<void>;
}

/** A test with a world of its own, so that many can run at a time. */
export const test = base.extend<{ world: CliWorld }>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the names of the other fixtures here
  world: async ({}, use) => {
    const world = await startCliWorld();
    await use(world);
    await world.close();
  },
});

async function startCliWorld(): Promise<CliWorld> {
  const issuer = await startSignInIssuer();
  const { url } = issuer;
  const folder = await mkdtemp(join(tmpdir(), 'cli-'));
  const tokenFile = join(folder, 'cli', 'tokens.json');
  issuer.vary.metadata = {
    device_authorization_endpoint: `${url}/oauth2/device_authorization`,
    revocation_endpoint: `${url}/oauth2/revoke`,
  };
  issuer.respondAt('/oauth2/device_authorization', (_req, res) => json(res, world.device));
  issuer.respondAt('/oauth2/revoke', (_req, res) => void res.end());
  issuer.respondAt('/api/me', (_req, res) =>
    json(res, { sub: 'user_01', org_id: null, client_id: CLIENT_ID, scopes: ['openid'] }),
  );
  const home = {
    PATH: process.env['PATH'],
    HOME: folder,
    AUTHKIT_ISSUER: url,
    CLI_CLIENT_ID: CLIENT_ID,
    API_URL: url,
    CLI_TOKEN_FILE: tokenFile,
    BROWSER: 'true',
  };
  const runs: Run[] = [];
  const world: CliWorld = {
    issuer,
    folder,
    tokenFile,
    device: {
      device_code: 'a-device-code',
      user_code: 'ABCD-EFGH',
      verification_uri: `${url}/device`,
      expires_in: 300,
      interval: 0.05,
    },
    run: (args, env, options) => {
      const cli = runExample('cli', args, { ...home, ...env }, options);
      runs.push(cli);
      return cli;
    },
    login: async (env, options) => {
      const cli = world.run(['login'], env, options);
      const [, address = ''] = await cli.saw(/^ {2}(http\S+)$/m);
      await fetch(address);
      return cli.ended;
    },
    tokenRequests: () => issuer.hits.get('/oauth2/token') ?? 0,
    respondOnce: (...listeners) => {
      issuer.vary.token = (req, res) => {
        const next = listeners.shift();
        if (listeners.length === 0) delete issuer.vary.token;
        next?.(req, res);
      };
    },
    files: () => readdir(join(folder, 'cli')).catch(() => []),
    close: async () => {
      for (const cli of runs) cli.kill('SIGKILL'); // a failed test leaves one behind
      await issuer.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

/** The error response of a token endpoint (RFC 6749 section 5.2). */
export const oauthError =
  (error: string, status = 400, head: Record<string, string> = {}): RequestListener =>
  (_req, res) => {
    for (const [name, value] of Object.entries(head)) res.setHeader(name, value);
    json(res, { error }, status);
  };

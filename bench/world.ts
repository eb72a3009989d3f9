// Shared by all measurements: one local AuthKit, one Redis, the built app and the peers.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startLocalAuthKit, type LocalAuthKit } from '../src/development/local-authkit/start.ts';
import { freePort, settingsFor } from '../test/support/app/app.ts';
import { startRedis, type TestRedis } from '../test/support/store/redis.ts';
import { PEERS, type Peer } from './peers.ts';
import { startServer, type Server } from './processes.ts';
import type { Version } from './version.ts';

export const PROJECT = fileURLToPath(new URL('..', import.meta.url));
export const SECRET = 'bench-secret-0123456789-abcdefghijklmnop';
const STORES = ['embedded', 'redis', 'embedded, as bytes', 'redis, as bytes'] as const;
const BEFORE = STORES.map((kind) => `${kind}, before` as const);
const OURS = [...STORES, ...BEFORE, 'embedded, unchecked', 'profiled'] as const;
/**
 * How this project is started: the store, whether it sends the bytes of the page, whether GET /api/me
 * checks the token, and which version.
 */
export type Kind = (typeof OURS)[number];
/** The client that sign-ins are compared with. */
export const BARE_CLIENT = { name: 'bare client', file: 'bare-client.mjs', callback: '/callback' };

export interface World {
  authKit: LocalAuthKit;
  redis: TestRedis;
  /** The Node that runs the servers. */
  node: string;
  /** A temporary folder, removed after the run. */
  folder: string;
  /** The file of the page that all servers send, fetched from this project first. */
  page: string;
  /** Where the peers are installed. */
  peersFolder: string;
  apachePort: number;
  /** A registered redirect URI at which nothing listens. */
  redirectUri: string;
  /** Another version to compare with. */
  before: Version | undefined;
  startOurs(kind: Kind, nodeArgs?: string[]): Promise<Server>;
  startPeer(peer: Peer): Promise<Server>;
  sessionDb(kind: Kind): string;
  close(): Promise<void>;
}

/** `node` runs the servers. */
export async function createWorld(
  peersFolder: string,
  node: string,
  before?: Version,
): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  const portOf = new Map<string, number>();
  for (const name of ['apache', BARE_CLIENT.name, ...OURS, ...PEERS.map((peer) => peer.name)]) {
    portOf.set(name, await freePort());
  }
  const port = (name: string) => portOf.get(name) ?? 0;
  const callbacks = [...PEERS, BARE_CLIENT].map(
    ({ name, callback }) => `http://localhost:${port(name)}${callback}`,
  );
  for (const name of ['apache', ...OURS]) callbacks.push(`http://localhost:${port(name)}/callback`);
  const authKit = await startLocalAuthKit({ port: 0, redirectUris: callbacks });
  const redis = await startRedis();
  const sessionDb = (kind: string) => join(folder, `${kind.replace(/\W+/g, '-')}.db`);
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const page = join(folder, 'page.html');
  // Until the page of this project is known.
  writeFileSync(page, '<!doctype html>');

  return {
    authKit,
    redis,
    node,
    folder,
    page,
    peersFolder,
    apachePort: port('apache'),
    redirectUri: `http://localhost:${port('profiled')}/callback`,
    before,
    sessionDb,
    startOurs(kind, nodeArgs = []) {
      const env = {
        ...settingsFor(authKit, 'firstParty'),
        NODE_ENV: 'production',
        BASE_URL: `http://localhost:${port(kind)}`,
        SESSION_SECRET: SECRET,
        SESSION_DB: sessionDb(kind),
        // Requests are still counted, but 32 busy connections must not reach the limit.
        RATE_LIMIT: '1000000',
        SHUTDOWN_GRACE_SECONDS: '0',
        ...(kind.startsWith('redis') && { REDIS_URL: redis.url }),
        PAGE: page,
      };
      const imported = (name: string) => ['--import', `${PROJECT}bench/${name}.mjs`];
      const asBytes = kind.includes('as bytes') ? imported('as-bytes') : [];
      const unchecked = kind.includes('unchecked') ? imported('unchecked') : [];
      const args = [...asBytes, ...unchecked, ...nodeArgs, 'dist/server.js'];
      const isBefore = kind.endsWith('before');
      const cwd = isBefore ? (before?.folder ?? '') : PROJECT;
      const name = isBefore ? `${before?.commit}, ${kind.replace(', before', '')}` : kind;
      const command = { file: node, args, cwd, env, readyPath: '/healthz', port: port(kind) };
      return startServer(isBefore ? name : `this project, ${name}`, command);
    },
    startPeer({ name, file, redis: onRedis }) {
      const env = {
        NODE_ENV: 'production',
        ISSUER: authKit.issuer,
        CLIENT_ID: clientId,
        CLIENT_SECRET: clientSecrets[0],
        BASE_URL: `http://localhost:${port(name)}`,
        SECRET,
        PAGE: page,
        ...(onRedis && { REDIS_URL: redis.url }),
      };
      const command = { file: node, args: [file], cwd: peersFolder, env, readyPath: '/' };
      return startServer(name, { ...command, port: port(name) });
    },
    async close() {
      await redis.close();
      await authKit.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a file of the peers' folder that needs no sign-in. */
export async function startPlain(
  world: World,
  name: string,
  file: string,
  env: Record<string, string> = {},
): Promise<Server> {
  const base = {
    NODE_ENV: 'production',
    ISSUER: world.authKit.issuer,
    PAGE: world.page,
    ...env,
  };
  const command = { file: world.node, args: [file], cwd: world.peersFolder, env: base };
  return startServer(name, { ...command, port: await freePort(), readyPath: '/' });
}

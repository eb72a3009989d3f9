// A host app around src/auth on a free port, over a store whose calls are recorded and can be made
// to fail.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import express, { type ErrorRequestHandler, type Express } from 'express';
import {
  createAuth,
  SignInError,
  type Auth,
  type AuthOptions,
  type SessionRecords,
} from '../../../src/auth/index.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/store.ts';
import { freePort } from '../machine/free-port.ts';

export interface HostApp {
  url: string;
  server: Server;
  auth: Auth;
  /** The names of the store methods, in the order of the calls. */
  calls: string[];
  /** Methods of the store that reject from now on. */
  broken: Set<keyof SessionRecords>;
  /** The errors that reached the error handler. */
  failures: unknown[];
  close(): Promise<void>;
}

export interface HostOptions extends Partial<AuthOptions> {
  issuer: URL;
  clientId: string;
  /** The public origin; default: the one it listens on. */
  origin?: (url: string) => string;
  port?: number;
}

/** Starts it with the routes that `wire` adds; resolves once it has discovered its issuer. */
export async function startHostApp(
  { origin = (url) => url, port: given, ...options }: HostOptions,
  wire: (app: Express, auth: Auth) => unknown,
): Promise<HostApp> {
  const folder = await mkdtemp(join(tmpdir(), 'host-'));
  const store = await openEmbeddedStore({ file: join(folder, 'sessions.db') });
  const port = given ?? (await freePort());
  const url = `http://localhost:${port}`;
  const calls: string[] = [];
  const broken = new Set<keyof SessionRecords>();
  const auth = createAuth({
    baseUrl: new URL(origin(url)),
    sessionSecrets: ['a-secret-of-the-tests-0123456789-abcdef'],
    records: recordCalls(store, calls, broken),
    ...options,
  });
  const failures: unknown[] = [];
  const app = express();
  await wire(app, auth);
  app.use(sendFailure(failures));
  const server = createServer(app).listen(port, 'localhost');
  await once(server, 'listening');
  while ((await auth.state()) !== 'ready') await delay(10);
  const close = async () => {
    await auth.close();
    server.close();
    server.closeAllConnections();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { url, server, auth, calls, broken, failures, close };
}

function recordCalls(
  records: SessionRecords,
  calls: string[],
  broken: Set<string>,
): SessionRecords {
  return new Proxy(records, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...values: unknown[]): unknown => {
        calls.push(String(name));
        if (broken.has(String(name))) return Promise.reject(new Error('the disk is full'));
        return Reflect.apply(method, target, values);
      };
    },
  });
}

const sendFailure =
  (failures: unknown[]): ErrorRequestHandler =>
  (error: unknown, _req, res, _next) => {
    failures.push(error);
    if (res.headersSent) return;
    if (error instanceof SignInError) res.status(error.status).json({ error: error.code });
    else res.status(500).json({ error: String(error) });
  };

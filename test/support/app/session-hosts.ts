// A host app instance in this process that can crash, over a store shared with other instances.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import express, { type ErrorRequestHandler } from 'express';
import {
  createAuth,
  SignInError,
  type Auth,
  type SessionRecords,
} from '../../../src/auth/index.ts';
import { CLIENT_ID, type SignInIssuer } from '../authkit/sign-in-issuer.ts';

export interface Host {
  url: string;
  /** From now on this instance writes nothing to the store and sends no response. */
  crash(): void;
  close(): Promise<void>;
}

/** Starts an instance; its page /slow responds once `isOver` resolves. */
export async function startHost(
  issuer: SignInIssuer,
  records: SessionRecords,
  isOver: () => Promise<void>,
): Promise<Host> {
  const app = express();
  const server = createServer(app);
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://localhost:${typeof address === 'object' ? address?.port : ''}`;
  const { proxy, crash } = crashable(records);
  const auth = createAuth({
    issuer: new URL(issuer.url),
    clientId: CLIENT_ID,
    clientSecret: issuer.env['OAUTH_APP_CLIENT_SECRET'] ?? '',
    baseUrl: new URL(url),
    // Normally all instances of an application have the same baseUrl, and so the same suffix.
    cookieSuffix: 'fleet',
    sessionSecrets: ['a-secret-of-the-tests-0123456789-abcdef'],
    records: proxy,
  });
  addPages(app, auth, isOver);
  return {
    url,
    crash() {
      crash();
      end(server, auth);
    },
    async close() {
      end(server, auth);
      await once(server, 'close');
    },
  };
}

function end(server: Server, auth: Auth): void {
  void auth.close();
  server.close();
  server.closeAllConnections();
}

const sendFailure: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  res.status(error instanceof SignInError ? error.status : 500).json({ error: String(error) });
};

function addPages(app: express.Express, auth: Auth, isOver: () => Promise<void>): void {
  app.use(auth.session, auth.routes);
  app.get('/me', auth.requireLogin, (req, res) => void res.json({ sub: req.user?.sub }));
  app.get('/slow', auth.requireLogin, auth.hostSession, async (req, res) => {
    await isOver();
    // express-session saves a changed session at the end of the response.
    Object.assign(req.session, { seenAt: Date.now() });
    res.json({ sub: req.user?.sub });
  });
  app.post('/everywhere', auth.requireLogin, auth.signOutEverywhere);
  app.use(sendFailure);
}

/** A crashed process leaves its leases behind and loses its pending writes. */
function crashable(records: SessionRecords) {
  let isCrashed = false;
  const proxy = new Proxy(records, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...values: unknown[]): unknown =>
        isCrashed ? new Promise(() => undefined) : Reflect.apply(method, target, values);
    },
  });
  const crash = () => {
    isCrashed = true;
  };
  return { proxy, crash };
}

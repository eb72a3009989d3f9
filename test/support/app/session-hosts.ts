// An instance of sign-in in this process, over a store it shares with others, that can crash.
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
  /** From now on this instance has no effect on the store, and answers nobody. */
  crash(): void;
  close(): Promise<void>;
}

/** Starts an instance; its page /slow answers once `isOver` resolves. */
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
    // Instances of one application: as a rule they have one baseUrl.
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

const answerFailure: ErrorRequestHandler = (error: unknown, _req, res, _next) => {
  res.status(error instanceof SignInError ? error.status : 500).json({ error: String(error) });
};

function addPages(app: express.Express, auth: Auth, isOver: () => Promise<void>): void {
  app.use(auth.session, auth.routes);
  app.get('/me', auth.requireLogin, (req, res) => void res.json({ sub: req.user?.sub }));
  app.get('/slow', auth.requireLogin, auth.hostSession, async (req, res) => {
    await isOver();
    // Whatever a page changes in its session is written when it ends.
    Object.assign(req.session, { seenAt: Date.now() });
    res.json({ sub: req.user?.sub });
  });
  app.post('/everywhere', auth.requireLogin, auth.signOutEverywhere);
  app.use(answerFailure);
}

/** A process that dies leaves its leases behind, and whatever it was about to write unwritten. */
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

// A host app with src/auth and src/live at a local AuthKit: an event stream at /news, and a WebSocket
// that says back what it is told.
import type { ServerResponse } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { startTestAuthKit } from '../authkit/local-authkit.ts';
import { createLive, type Live, type LiveOptions } from '../../../src/live/index.ts';
import { Browser } from '../browser/browser.ts';
import { freePort } from '../machine/free-port.ts';
import { startHostApp, type HostApp, type HostOptions } from './host.ts';

export interface LiveApp extends HostApp {
  live: Live;
  /** The server's ends of the event streams, the oldest first. */
  streams: ServerResponse[];
  /** The server's ends of the WebSockets, the oldest first. */
  sockets: WebSocket[];
  /** What the WebSockets were told. */
  heard: string[];
  /** Signs this person in, in this browser or a new one. */
  signIn(person?: string, browser?: Browser): Promise<Browser>;
}

/** How soon it notices the end of a session. */
const EVERY_SECONDS = 0.02;

export async function startLiveApp(
  limits: Partial<LiveOptions> = {},
  options: Partial<HostOptions> = {},
): Promise<LiveApp> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const authKit = await startTestAuthKit({
    redirectUris: [`${origin}/callback`],
    postLogoutRedirectUris: [`${origin}/signed-out`],
  });
  const { clientId, clientSecrets } = authKit.applications.firstParty;
  const application = { issuer: new URL(authKit.issuer), clientId, clientSecret: clientSecrets[0] };
  const found: { live?: Live } = {};
  const streams: ServerResponse[] = [];
  const host = await startHostApp({ ...application, port, ...options }, (app, auth) => {
    const live = createLive({ auth, everySeconds: EVERY_SECONDS, ...limits });
    found.live = live;
    app.get(
      '/news',
      live.events((stream, { user }) => {
        streams.push(stream);
        stream.write(`data: Hello ${user.name}\n\n`);
      }),
    );
    app.use(auth.session, auth.routes);
    app.get('/signed-out', (_req, res) => void res.send('Signed out'));
    app.get('/profile', auth.requireLogin, (_req, res) => void res.send('Profile'));
    app.post('/everywhere', auth.requireLogin, auth.signOutEverywhere);
  });
  const { live = createLive(host) } = found;
  const [sockets, heard]: [WebSocket[], string[]] = [[], []];
  const server = new WebSocketServer({ noServer: true });
  const onUpgrade = live.upgrade(server, (socket, { user }) => {
    sockets.push(socket);
    socket.on('message', (data: Buffer) => heard.push(`${user.name}: ${data.toString()}`));
  });
  host.server.on('upgrade', (...upgrade) => void onUpgrade(...upgrade));
  return {
    ...host,
    live,
    streams,
    sockets,
    heard,
    async signIn(person = 'Bruno', browser = new Browser()) {
      await browser.open(`${origin}/login?return_to=/profile&prompt=login`);
      const page = await browser.follow(await browser.press(person));
      if (page.url.pathname !== '/profile') throw new Error(`signing in ended at ${page.url.href}`);
      return browser;
    },
    async close() {
      for (const socket of sockets) socket.terminate();
      await host.close();
      await authKit.close();
    },
  };
}

// The least that a page of this project costs: its server and Express, with its security headers, one read
// of a row and its view engine. There is no cookie, no session and no check; the data of the page is fixed.
import express from 'express';
import { settings } from './settings.mjs';

const { dist, views, file } = JSON.parse(process.env.PARTS);
const from = (path) => import(new URL(path, dist).href);
const { securityHeaders } = await from('demo/middleware/headers.js');
const { createViewEngine } = await from('demo/view-engine.js');
const { createHttpServer } = await from('process/http-server.js');
const { openSqlite } = await from('store/embedded/sqlite.js');
const format = await from('demo/format.js');

const sqlite = await openSqlite(file, (db) => {
  db.exec('CREATE TABLE IF NOT EXISTS floor (key TEXT PRIMARY KEY, data, expires_at INTEGER)');
});
const row = ['key', Buffer.alloc(600), Date.now() + 86_400_000];
await sqlite.write('INSERT OR REPLACE INTO floor VALUES (?, ?, ?)')(...row);
const read = sqlite.rowTogether('SELECT data FROM floor WHERE key = ? AND expires_at > ?');

const user = {
  sub: 'user_01JH8V5B0T9Z8Q6W3E4R5T6Y7U',
  name: 'Bruno Okafor',
  email: 'bruno@example.com',
};
const claims = {
  iss: settings.issuer,
  ...user,
  email_verified: true,
  sid: 'app_consent_1',
  iat: 1,
};
const at = (minutes) => new Date(Date.now() + minutes * 60_000);
const session = { startedAt: at(-1), idleEndsAt: at(1_440), endsAt: at(10_000) };
const accessToken = { expiresAt: at(5), renewsAt: at(4), renewable: true, expired: false };

const app = express().disable('x-powered-by').disable('etag');
app.set('views', views).set('view engine', 'eta').engine('eta', createViewEngine(views, true));
Object.assign(app.locals, format, { productName: 'Harbor Forum Support', localAuthKit: true });
app.use(securityHeaders(new URL('http://localhost'), new URL(settings.issuer)));
app.get('/profile', async (_req, res) => {
  await read('key', Date.now());
  res.set('Cache-Control', 'no-store');
  const scopes = ['openid', 'profile', 'email', 'offline_access'];
  const person = 'LrBy_IX9a0a0hqyoWWTPVgfL6SGUophCNPqPUvFCdmI';
  const page = { user, person, claims, scopes, permissions: [], session, accessToken };
  res.render('profile', { ...page, path: '/profile', now: new Date() });
});
createHttpServer(app).on('request', app).listen(settings.port);

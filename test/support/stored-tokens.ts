// The token set of a browser's session, opened as the app does: with the secret and the cookie.
import { join } from 'node:path';
import { parseCookie } from 'cookie';
import { SealedSessionStore } from '../../src/auth/session-store.ts';
import type { TokenSet } from '../../src/auth/tokens.ts';
import { openEmbeddedStore } from '../../src/store/embedded/store.ts';
import type { TestApp } from './app.ts';
import type { Browser } from './browser.ts';

/** Reads it; undefined when the session has ended or another secret sealed it. */
export async function storedTokens(
  { folder, env }: TestApp,
  { jar }: Browser,
): Promise<TokenSet | undefined> {
  const { session = '' } = parseCookie(`session=${jar.find('session')?.value}`);
  const [sid = ''] = session.replace(/^s:/, '').split('.');
  const records = await openEmbeddedStore({ file: join(folder, 'sessions.db') });
  const store = new SealedSessionStore(records, {
    issuer: new URL(env['AUTHKIT_ISSUER'] ?? ''),
    clientId: env['OAUTH_APP_CLIENT_ID'] ?? '',
    secrets: (env['SESSION_SECRET'] ?? '').split(','),
    idleSeconds: 86_400,
    secure: false,
  });
  const held = await store.readTokens(sid);
  await records.close();
  return held?.tokens;
}

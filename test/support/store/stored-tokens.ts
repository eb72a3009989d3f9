// The token set of a browser's session, unsealed as the app does, with the secret and the cookie.
import { join } from 'node:path';
import { parseCookie } from 'cookie';
import { SessionCookie, sessionKey } from '../../../src/auth/session/cookie.ts';
import { SealedSessionStore } from '../../../src/auth/session/sealed-store.ts';
import type { TokenSet } from '../../../src/auth/tokens/token-set.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/store.ts';
import type { TestApp } from '../app/app.ts';
import type { Browser } from '../browser/browser.ts';

/** Returns undefined when the session has ended or was sealed with another secret. */
export async function storedTokens(
  { folder, env }: TestApp,
  { jar }: Browser,
): Promise<TokenSet | undefined> {
  const { session = '' } = parseCookie(`session=${jar.find('session')?.value}`);
  const [sid = ''] = session.replace(/^s:/, '').split('.');
  const records = await openEmbeddedStore({ file: join(folder, 'sessions.db') });
  const secrets = (env['SESSION_SECRET'] ?? '').split(',');
  const cookie = new SessionCookie('', secrets, false);
  const store = new SealedSessionStore(records, cookie, secrets, {
    idleMs: 86_400_000,
    maxMs: 604_800_000,
  });
  const held = await store.readTokens({ sid, key: sessionKey(sid) });
  await records.close();
  return held?.tokens;
}

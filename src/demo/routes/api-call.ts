// A page that calls an API on the user's behalf, server to server, as a companion service calls the
// main product. The access token is fresh (requireFreshToken) and never reaches the browser.
import { Router } from 'express';
import type { Auth } from '../../auth/index.ts';

const TIMEOUT_MS = 5_000;

/** GET /api-call; `apiUrl` returns the URL at which this server reaches the API. */
export function apiCallRoutes(auth: Auth, apiUrl: () => URL): Router {
  const router = Router();
  router.get('/api-call', auth.requireFreshToken, async (req, res) => {
    const startedAt = performance.now();
    const { status, result } = await callApi(apiUrl(), await auth.accessToken(req));
    const durationMs = Math.round(performance.now() - startedAt);
    res.render('api-call', { status, result, durationMs });
  });
  return router;
}

async function callApi(url: URL, accessToken: string) {
  try {
    const response = await fetch(new URL('/api/me', url), {
      headers: { authorization: `Bearer ${accessToken}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
    });
    return { status: response.status, result: JSON.stringify(await response.json(), null, 2) };
  } catch {
    return { status: 503, result: 'The API did not respond.' };
  }
}

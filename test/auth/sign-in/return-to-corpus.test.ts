// Nobody who follows a link to /login ends on another origin (RFC 9700 §4.11): every try of the
// corpus through the rule itself, through redirects that real Chromium follows, and a sample of them
// through whole sign-ins.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Browser as Chromium, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sameOriginPath } from '../../../src/auth/index.ts';
import { RETURN_TO_CORPUS } from './return-to-corpus.ts';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { launchChromium, newPage } from '../../support/browser/chromium.ts';
import { startSignInIssuer, type SignInIssuer } from '../../support/authkit/sign-in-issuer.ts';

/** The origins that the page asked anything of, whether or not somebody answered. */
function originsAskedBy(page: Page): Set<string> {
  const origins = new Set<string>();
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  return origins;
}

/** What a browser makes of it that resolves it as it is. */
function leadsAway(value: string): boolean {
  const base = 'http://app.example/a/b';
  return URL.canParse(value, base) && new URL(value, base).origin !== 'http://app.example';
}

describe('the rule', () => {
  it('is tried 400 times and more', () => {
    expect(RETURN_TO_CORPUS.length).toBeGreaterThan(600);
    // A careless rule lets most of them pass: else they would prove nothing.
    expect(RETURN_TO_CORPUS.filter(leadsAway).length).toBeGreaterThan(300);
  });

  it.each(['http://app.example/', 'https://app.example/a/b?c#d', 'http://localhost:3000/login'])(
    'leads to a path of the origin, seen from %s',
    (base) => {
      for (const value of RETURN_TO_CORPUS) {
        const path = sameOriginPath(value);
        const url = new URL(path, base);
        expect([value, url.origin]).toEqual([value, new URL(base).origin]);
        // Visible ASCII alone: no other parser on the way has anything to read into it.
        expect(path).toMatch(/^\/(?!\/)[\u0021-\u005b\u005d-\u007e]*$/);
        expect(url.pathname).not.toMatch(/^\/(login|callback|logout)(\/|$)/i);
        expect(sameOriginPath(path)).toBe(path);
      }
    },
  );

  it('keeps paths of this origin as they are', () => {
    for (const path of ['/', '/profile', '/a/b?c=%2F%2Fx&d=//e#f', '/loginx', '/%E2%82%AC?q=1']) {
      expect(sameOriginPath(path)).toBe(path);
    }
  });

  it.each([
    undefined,
    null,
    1,
    ['/profile'],
    { toString: () => '/profile' },
    `/${'a'.repeat(800)}`,
  ])('takes %j for the home page', (value) => {
    expect(sameOriginPath(value)).toBe('/');
  });
});

describe('in Chromium', () => {
  let chromium: Chromium;
  let server: Server;
  let origin: string;
  let issuer: SignInIssuer;
  let app: TestApp;

  beforeAll(async () => {
    // Redirects to what the rule made of a try, or, to see that the tries work, to the try itself.
    server = createServer((req, res) => {
      const [, kind, index] = /^\/(guarded|unguarded)\/(\d+)$/.exec(req.url ?? '') ?? [];
      if (kind === undefined) return void res.end('<title>still here</title>');
      const value = RETURN_TO_CORPUS[Number(index)] ?? '';
      const location = kind === 'guarded' ? sameOriginPath(value) : encodeURI(value);
      return void res.writeHead(302, { location }).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    issuer = await startSignInIssuer();
    [app, chromium] = await Promise.all([startTestApp({ env: issuer.env }), launchChromium()]);
  });
  afterAll(async () => {
    await chromium.close();
    server.close();
    await app.close();
    await issuer.close();
  });

  it('every redirect stays on the origin', async () => {
    const page = await newPage(chromium);
    const asked = originsAskedBy(page);
    // What the rule makes alike is alike for the browser too: one visit for each Location.
    const visits = new Map(RETURN_TO_CORPUS.map((value, index) => [sameOriginPath(value), index]));
    for (const [path, index] of visits) {
      await page.goto(`${origin}/guarded/${index}`, { waitUntil: 'commit' });
      expect([path, new URL(page.url()).origin]).toEqual([path, origin]);
    }
    expect([...asked]).toEqual([origin]);
    await page.context().close();
  }, 120_000);

  it('without the rule, redirects do leave it', async () => {
    const page = await newPage(chromium);
    const asked = originsAskedBy(page);
    for (const value of ['//evil.example', '/\\evil.example', 'https://evil.example']) {
      const index = RETURN_TO_CORPUS.indexOf(value);
      await page.goto(`${origin}/unguarded/${index}`).catch(() => undefined);
    }
    expect([...asked].filter((at) => at !== origin)).not.toEqual([]);
    await page.context().close();
  });

  it('every fifteenth one through a whole sign-in', async () => {
    const sample = RETURN_TO_CORPUS.filter((_value, index) => index % 15 === 0);
    expect(sample.length).toBeGreaterThan(40);
    const page = await newPage(chromium);
    const asked = originsAskedBy(page);
    for (const value of sample) {
      // Else the page about signing in too often comes first.
      await page.context().clearCookies();
      await page.goto(`${app.url}/login?return_to=${encodeURIComponent(value)}`);
      expect([value, new URL(page.url()).origin]).toEqual([value, app.url]);
      expect(await page.getByRole('button', { name: 'Sign out' }).count()).toBe(1);
    }
    expect([...asked].toSorted()).toEqual([app.url, issuer.url].toSorted());
    await page.context().close();
  }, 120_000);
});

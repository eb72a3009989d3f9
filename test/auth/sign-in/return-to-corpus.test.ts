// A link to /login never leads to another origin (RFC 9700 §4.11). Every value of the corpus goes
// through sameOriginPath and through redirects in real Chromium, a sample through whole sign-ins.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Browser as Chromium, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sameOriginPath } from '../../../src/auth/index.ts';
import { RETURN_TO_CORPUS } from './return-to-corpus.ts';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { launchChromium, newPage } from '../../support/browser/chromium.ts';
import { startSignInIssuer, type SignInIssuer } from '../../support/authkit/sign-in-issuer.ts';
import { withParts } from '../../support/machine/with-parts.ts';

/** The origins the page sent requests to, whether or not a server responded. */
function originsAskedBy(page: Page): Set<string> {
  const origins = new Set<string>();
  page.on('request', (request) => origins.add(new URL(request.url()).origin));
  return origins;
}

/** Whether a browser that resolves this value unchecked leaves the origin. */
function leadsAway(value: string): boolean {
  const base = 'http://app.example/a/b';
  return URL.canParse(value, base) && new URL(value, base).origin !== 'http://app.example';
}

describe('sameOriginPath', () => {
  it('is tested with over 600 values, of which over 300 leave the origin unchecked', () => {
    expect(RETURN_TO_CORPUS.length).toBeGreaterThan(600);
    // Values that stay on the origin anyway would prove nothing.
    expect(RETURN_TO_CORPUS.filter(leadsAway).length).toBeGreaterThan(300);
  });

  it.each(['http://app.example/', 'https://app.example/a/b?c#d', 'http://localhost:3000/login'])(
    'keeps every value on the origin %s',
    (base) => {
      for (const value of RETURN_TO_CORPUS) {
        const path = sameOriginPath(value);
        const url = new URL(path, base);
        expect([value, url.origin]).toEqual([value, new URL(base).origin]);
        // Visible ASCII only, which every parser on the way reads alike.
        expect(path).toMatch(/^\/(?!\/)[\u0021-\u005b\u005d-\u007e]*$/);
        expect(url.pathname).not.toMatch(/^\/(login|callback|logout)(\/|$)/i);
        expect(sameOriginPath(path)).toBe(path);
      }
    },
  );

  it('keeps paths of this origin unchanged', () => {
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
  ])('replaces %j with /', (value) => {
    expect(sameOriginPath(value)).toBe('/');
  });
});

withParts('Chromium').describe('in Chromium', () => {
  let chromium: Chromium;
  let server: Server;
  let origin: string;
  let issuer: SignInIssuer;
  let app: TestApp;

  beforeAll(async () => {
    // Redirects to the checked value, or to the value itself to show that the attack works.
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

  it('every checked redirect stays on the origin', async () => {
    const page = await newPage(chromium);
    const asked = originsAskedBy(page);
    // One visit for each distinct Location is enough.
    const visits = new Map(RETURN_TO_CORPUS.map((value, index) => [sameOriginPath(value), index]));
    for (const [path, index] of visits) {
      await page.goto(`${origin}/guarded/${index}`, { waitUntil: 'commit' });
      expect([path, new URL(page.url()).origin]).toEqual([path, origin]);
    }
    expect([...asked]).toEqual([origin]);
    await page.context().close();
  }, 120_000);

  it('unchecked redirects leave the origin', async () => {
    const page = await newPage(chromium);
    const asked = originsAskedBy(page);
    for (const value of ['//evil.example', '/\\evil.example', 'https://evil.example']) {
      const index = RETURN_TO_CORPUS.indexOf(value);
      await page.goto(`${origin}/unguarded/${index}`).catch(() => undefined);
    }
    expect([...asked].filter((at) => at !== origin)).not.toEqual([]);
    await page.context().close();
  });

  it('a whole sign-in with every fifteenth value stays on the origin', async () => {
    const sample = RETURN_TO_CORPUS.filter((_value, index) => index % 15 === 0);
    expect(sample.length).toBeGreaterThan(40);
    const page = await newPage(chromium);
    const asked = originsAskedBy(page);
    for (const value of sample) {
      // With its cookies the browser would get the page about signing in too often.
      await page.context().clearCookies();
      await page.goto(`${app.url}/login?return_to=${encodeURIComponent(value)}`);
      expect([value, new URL(page.url()).origin]).toEqual([value, app.url]);
      expect(await page.getByRole('button', { name: 'Sign out' }).count()).toBe(1);
    }
    expect([...asked].toSorted()).toEqual([app.url, issuer.url].toSorted());
    await page.context().close();
  }, 120_000);
});

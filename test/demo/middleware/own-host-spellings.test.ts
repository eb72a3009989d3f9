// Which Host headers name the host of BASE_URL: those that the URL standard normalizes to it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApp, type TestApp } from '../../support/app/app.ts';
import { Browser } from '../../support/browser/browser.ts';

describe.each<[string, same: string[], foreign: string[]]>([
  [
    'http://localhost:3000',
    ['localhost:3000', 'LOCALHOST:3000', 'LocalHost:03000', '%6cocalhost:3000'],
    [
      'localhost',
      'localhost.:3000',
      'localhost:3001',
      '127.0.0.1:3000',
      '[::1]:3000',
      'sub.localhost:3000',
      'localhost:3000.evil.example',
      'evil.example@localhost:3000',
      '@localhost:3000',
      'localhost:3000/',
      '//localhost:3000',
      'localhost:3000?',
      'localhost:3000#a',
      'localhost\\:3000',
      'local\thost:3000',
      'localhost:3000, evil.example',
      'localhost:3000:3000',
      '[localhost]:3000',
      '%',
      '',
    ],
  ],
  ['http://example.com', ['example.com', 'example.com:80', 'example.com:'], ['example.com:443']],
  [
    'https://example.com:443',
    ['example.com', 'Example.COM', 'example.com:443', 'EXAMPLE.com:0443'],
    ['example.com:80', 'example.com:8443', 'example.com.', 'www.example.com'],
  ],
  ['https://EXAMPLE.com:8443', ['example.com:8443'], ['example.com', 'example.com:443']],
  ['https://example.com.', ['example.com.', 'EXAMPLE.com.:443'], ['example.com']],
  [
    'http://[::1]:3000',
    ['[::1]:3000', '[0:0:0:0:0:0:0:1]:3000', '[0000::0001]:3000', '[::0.0.0.1]:3000'],
    ['[::2]:3000', '::1:3000', '[::ffff:127.0.0.1]:3000', '[::1', 'localhost:3000'],
  ],
  [
    'http://127.0.0.1:3000',
    ['127.0.0.1:3000', '127.1:3000', '0x7f000001:3000'],
    ['127.0.0.2:3000'],
  ],
  [
    'https://b\u00fccher.example',
    ['xn--bcher-kva.example', 'XN--BCHER-KVA.example:443', 'b%C3%BCcher.example'],
    ['bucher.example', 'xn--bcher.example'],
  ],
])('an app with BASE_URL %s', (baseUrl, same, foreign) => {
  let at: TestApp;
  beforeAll(async () => {
    at = await startTestApp({ env: { BASE_URL: baseUrl } });
  });
  afterAll(() => at.close());
  const look = (host: string, path: string) =>
    new Browser().get(`http://localhost:${at.port}${path}`, { headers: { host } });

  it.each(same)('serves Host %j as its own', async (host) => {
    expect((await look(host, '/')).status).toBe(200);
  });

  it.each(foreign)('redirects Host %j once to BASE_URL', async (host) => {
    const { location } = await look(host, '/?a=b');
    expect(location?.href).toBe(`${new URL(baseUrl).origin}/?a=b&from_other_host=1`);
    expect((await look(host, `${location?.pathname}${location?.search}`)).status).toBe(200);
  });
});

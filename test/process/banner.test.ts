// The lines that the app prints at start.
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.ts';
import { startLines } from '../../src/process/banner.ts';

describe('the start banner', () => {
  const complete = {
    authKit: { issuer: new URL('https://forum.authkit.app'), clientId: 'client_01' },
    sessionSecrets: ['correct-horse-battery-staple-0123456789'],
    apiAudience: ['client_02'],
    localAuthKit: false,
  };

  it.each([
    ['http://localhost', 80, 'Open http://localhost\n'],
    ['http://LOCALHOST:3000', 3000, 'Open http://localhost:3000\n'],
    ['http://localhost', 3000, 'Open http://localhost (listening on port 3000)\n'],
    ['https://example.com', 443, 'Open https://example.com\n'],
    ['https://example.com', 80, 'Open https://example.com (listening on port 80)\n'],
  ])('for %s and port %i names the port only when it differs', (BASE_URL, port, expected) => {
    const config = { ...parseConfig({ BASE_URL }), ...complete };
    expect(startLines(config, port)).toContain(expected);
  });
});

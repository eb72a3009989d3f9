// A sign-in leads to a path of this origin only, as a browser parses it: no open redirect (RFC 9700
// §4.11).
import { describe, expect, it } from 'vitest';
import { sameOriginPath } from '../../../src/auth/index.ts';

describe('sameOriginPath', () => {
  it.each([
    '/',
    '/profile',
    '/profile?a=b&c=d#e',
    '/a//b',
    '/%2F%2Fevil.example',
    '/?next=https://evil.example',
    '/a:b@c',
    '/loginfo',
    '/callbacks',
    `/${'a'.repeat(799)}`,
  ])('keeps %s', (path) => {
    expect(sameOriginPath(path)).toBe(path);
  });

  it.each([
    ['/a/../b', '/b'],
    ['/ä b', '/%C3%A4%20b'],
    ['/"<>', '/%22%3C%3E'],
  ])('normalizes %s to %s', (value, path) => {
    expect(sameOriginPath(value)).toBe(path);
  });

  it.each([
    ['another host', 'https://evil.example/'],
    ['another host without scheme', '//evil.example'],
    ['three slashes', '///evil.example'],
    ['a backslash', '/\\evil.example'],
    ['a backslash later', '/a\\..\\..\\/evil.example'],
    ['a tab between slashes', '/\t/evil.example'],
    ['a line break', '/a\r\nSet-Cookie: a=b'],
    ['dots that leave two slashes', '/.//evil.example'],
    ['dots up that leave two slashes', '/a/..//evil.example'],
    ['encoded dots that leave two slashes', '/%2e//evil.example'],
    ['a javascript: URL', 'javascript:alert(1)'],
    ['a relative path', 'profile'],
    ['a leading space', ' /profile'],
    ['an empty string', ''],
    ['an absent value', undefined],
    ['a repeated parameter', ['/a', '/b']],
    ['an object', { path: '/a' }],
    ['a path that is too long', `/${'a'.repeat(800)}`],
    ['a path that is too long once it is encoded', `/${'ä'.repeat(400)}`],
    ['the login path', '/login?return_to=/login'],
    ['the login path in capitals', '/LOGIN'],
    ['the callback path', '/callback?code=x'],
    ['the logout path', '/logout'],
    ['the login path behind dots', '/a/../login'],
  ])('replaces %s with /', (_case, value) => {
    expect(sameOriginPath(value)).toBe('/');
  });
});

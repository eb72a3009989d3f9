// Where a sign-in may lead: paths of this origin, as a browser would understand them.
import { describe, expect, it } from 'vitest';
import { sameOriginPath } from '../../../src/auth/index.ts';

describe('is kept', () => {
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
  ])('%s', (path) => {
    expect(sameOriginPath(path)).toBe(path);
  });

  it.each([
    ['/a/../b', '/b'],
    ['/ä b', '/%C3%A4%20b'],
    ['/"<>', '/%22%3C%3E'],
  ])('%s as %s', (value, path) => {
    expect(sameOriginPath(value)).toBe(path);
  });
});

describe('becomes /', () => {
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
    ['a script', 'javascript:alert(1)'],
    ['a relative path', 'profile'],
    ['a leading space', ' /profile'],
    ['nothing', ''],
    ['an absent value', undefined],
    ['a repeated parameter', ['/a', '/b']],
    ['an object', { path: '/a' }],
    ['what is too long', `/${'a'.repeat(800)}`],
    ['what is too long once it is encoded', `/${'ä'.repeat(400)}`],
    ['the login itself', '/login?return_to=/login'],
    ['the login in capitals', '/LOGIN'],
    ['the callback', '/callback?code=x'],
    ['the sign-out', '/logout'],
    ['the login by way of dots', '/a/../login'],
  ])('%s', (_case, value) => {
    expect(sameOriginPath(value)).toBe('/');
  });
});

import { describe, expect, it } from 'vitest';
import { clock, displayName, initial, scopeInWords, timeInWords } from '../../src/demo/format.ts';

const now = new Date('2026-11-25T14:01:00Z');
const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('timeInWords', () => {
  it.each([
    [0, 'just now'],
    [-59, 'just now'],
    [59, 'in less than a minute'],
    [4 * MINUTE + 29, 'in 4 minutes'],
    [-MINUTE, '1 minute ago'],
    [-95 * MINUTE, '95 minutes ago'],
    [2 * HOUR, 'in 2 hours'],
    [DAY, 'in 24 hours'],
    [-3 * DAY, '3 days ago'],
    [340 * DAY, 'in 340 days'],
  ])('shows a time %i seconds away as "%s"', (seconds, words) => {
    expect(timeInWords(after(seconds), now)).toBe(words);
  });
});

describe('clock', () => {
  it.each([
    ['2026-11-25T14:05:59Z', '14:05 UTC'],
    ['2026-11-25T00:00:00Z', '00:00 UTC'],
    ['2026-11-26T14:01:00Z', '26 November, 14:01 UTC'],
    ['2027-01-02T03:04:05Z', '2 January 2027, 03:04 UTC'],
    ['2026-11-24T23:59:59-05:00', '04:59 UTC'],
  ])('shows %s as "%s"', (iso, words) => {
    expect(clock(new Date(iso), now)).toBe(words);
  });
});

describe('displayName', () => {
  it('returns the name, else the e-mail address, else the id, never an empty string', () => {
    expect(displayName({ sub: 'user_1', name: ' Ada ', email: 'a@b.example' })).toBe('Ada');
    expect(displayName({ sub: 'user_1', name: '   ', email: 'a@b.example' })).toBe('a@b.example');
    expect(displayName({ sub: 'user_1', name: '', email: '' })).toBe('user_1');
  });
});

describe('initial', () => {
  it.each([
    ['ada', 'A'],
    ['ليلى', 'ل'],
    ['👩🏽‍🚀 Mae', '👩🏽‍🚀'],
    ['e\u0301mile', 'E\u0301'],
  ])('returns the first whole character of "%s"', (name, mark) => {
    expect(initial({ sub: 'user_1', name })).toBe(mark);
  });
});

describe('scopeInWords', () => {
  it('describes the four built-in scopes, and any other as a permission', () => {
    const permission = scopeInWords('posts:moderate');
    const known = ['openid', 'profile', 'email', 'offline_access'].map(scopeInWords);
    expect(new Set([permission, ...known]).size).toBe(5);
    expect(scopeInWords('constructor')).toBe(permission);
  });
});

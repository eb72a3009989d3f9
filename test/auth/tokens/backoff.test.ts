// Which sessions wait after a failed refresh: one for a refused grant, all while AuthKit is away.
import { describe, expect, it } from 'vitest';
import { Backoff } from '../../../src/auth/tokens/backoff.ts';

describe('the backoff after a failed refresh', () => {
  it('holds back only the sessions whose refresh AuthKit refuses', () => {
    const backoff = new Backoff();
    backoff.delaySession('odd');
    backoff.delaySession('odd, too');
    expect(backoff.remaining('odd')).toBeGreaterThan(0);
    expect(backoff.remaining('other')).toBeUndefined();
  });

  it('holds back one session while AuthKit fails for the sessions of one user only', () => {
    const backoff = new Backoff();
    backoff.onOutage('one', 'ada', false, 0);
    expect(backoff.remaining('one')).toBeGreaterThan(0);
    expect(backoff.remaining('other')).toBeUndefined();
    backoff.onOutage('another of hers', 'ada', false, 0);
    expect(backoff.remaining('other')).toBeUndefined();
  });

  it('holds back every session once AuthKit fails for two users, until a refresh succeeds', () => {
    const backoff = new Backoff();
    backoff.delaySession('odd');
    backoff.onOutage('one', 'ada', false, 0);
    backoff.onOutage('two', 'bruno', false, 0);
    expect(backoff.remaining('other')).toBeGreaterThan(0);
    backoff.reset('other');
    expect(backoff.remaining('other')).toBeUndefined();
  });

  it('holds back every session at once when the connection itself fails', () => {
    const backoff = new Backoff();
    backoff.onOutage('one', 'ada', false, 0);
    backoff.reset('other');
    backoff.onOutage('one', 'ada', true, 0);
    expect(backoff.remaining('other')).toBeGreaterThan(0);
  });
});

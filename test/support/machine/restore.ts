// setupFile of both suites: files of tests share a process, so each leaves it as it found it.
import { afterAll, vi } from 'vitest';
import { resetClock, restoreDeadlines } from '../clock/clock.ts';
import { resetMonotonic } from '../clock/monotonic.ts';

afterAll(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  resetClock();
  resetMonotonic();
  restoreDeadlines();
});

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

// Waiting ends after a second by default, which a busy machine may need for one request.
const PATIENCE_MS = 60_000;
type Options = Parameters<typeof vi.waitFor>[1];
const patient = (options: Options) =>
  typeof options === 'number' ? options : { timeout: PATIENCE_MS, ...options };

if (!vi.waitFor.name.includes('patient')) {
  const { waitFor, waitUntil } = vi;
  vi.waitFor = function patientWaitFor(callback, options) {
    return waitFor(callback, patient(options));
  };
  vi.waitUntil = function patientWaitUntil(callback, options) {
    return waitUntil(callback, patient(options));
  };
}

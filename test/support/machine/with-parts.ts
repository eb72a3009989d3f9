// Skips the tests that need a program this machine does not have (parts.ts).
import { describe, test } from 'vitest';
import { isMissing, type Part } from './parts.ts';

/** vitest's `test` and `describe`, skipped where one of these parts is missing. */
export function withParts(...parts: Part[]) {
  const isSkipped = parts.some(isMissing);
  const testWithParts = test.skipIf(isSkipped);
  return { test: testWithParts, it: testWithParts, describe: describe.skipIf(isSkipped) };
}

/** The session stores that this machine can run tests on. */
export function availableEngines(): ('SQLite' | 'Redis')[] {
  return isMissing('redis-server') ? ['SQLite'] : ['SQLite', 'Redis'];
}

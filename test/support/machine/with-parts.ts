// Skips the tests that need a program this machine does not have (parts.ts).
import { describe, test } from 'vitest';
import { findExecutable, isMissing, type Part } from './parts.ts';

/** vitest's `test` and `describe`, skipped where one of these parts is missing. */
export function withParts(...parts: Part[]) {
  const isSkipped = parts.some(isMissing);
  const testWithParts = test.skipIf(isSkipped);
  return { test: testWithParts, it: testWithParts, describe: describe.skipIf(isSkipped) };
}

export type Engine = 'SQLite' | 'Redis' | 'PostgreSQL' | 'Valkey';

const IS_AVAILABLE: Record<Engine, () => boolean> = {
  SQLite: () => true,
  Redis: () => !isMissing('redis-server'),
  PostgreSQL: () => !isMissing('Postgres'),
  Valkey: () => findExecutable('valkey-server') !== undefined,
};

/**
 * The session stores to run tests on: those that STORE_ENGINES names (vitest.operations.config.ts),
 * as far as this machine has them.
 */
export function availableEngines(): Engine[] {
  const named = (process.env['STORE_ENGINES'] ?? 'SQLite,Redis').split(',') as Engine[];
  return named.filter((engine) => IS_AVAILABLE[engine]());
}

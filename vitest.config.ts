import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/provision.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Many tests wait for processes and timeouts, not for the processor.
    maxWorkers: 3,
    // Real processes, a real browser and real time on two cores that others may keep busy: a second
    // try, which the report names. What is wrong fails twice.
    retry: 1,
  },
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/machine/provision.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Many tests wait for processes and timeouts, not for the processor.
    maxWorkers: 3,
  },
});

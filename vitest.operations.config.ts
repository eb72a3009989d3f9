// What those who run the app meet: other stores, failovers, images, proxies, other browsers.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/operations/**/*.test.ts'],
    globalSetup: ['test/support/machine/provision-operations.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
  },
});

// What those who run the app meet: other stores, failovers, images, proxies, other browsers.
import { defineConfig } from 'vitest/config';

/** Tests that run once for each store: here for those that `npm test` leaves out. */
const EACH_STORE = [
  'test/store/{store,indexes,last-use,person-and-leases,recheck}.test.ts',
  'test/auth/session/{index-keys,model,stolen-store}.test.ts',
  'test/auth/tokens/several-instances.test.ts',
  'test/copy/one-engine.test.ts',
  'test/demo/entries.test.ts',
  'test/events/instances.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: [
      'test/support/machine/provision-operations.ts',
      'test/support/machine/compile.ts',
    ],
    isolate: false,
    setupFiles: ['test/support/machine/restore.ts'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'operations', include: ['test/operations/**/*.test.ts'] } },
      {
        extends: true,
        test: { name: 'stores', include: EACH_STORE, env: { STORE_ENGINES: 'PostgreSQL,Valkey' } },
      },
    ],
  },
});

// What those who run the app meet: other stores, failovers, images, proxies, other browsers.
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { common } from './vitest.config.ts';

/** Tests that run once for each store: here for those that `npm test` leaves out. */
const EACH_STORE = [
  'test/store/{store,indexes,last-use,person-and-leases,recheck}.test.ts',
  'test/auth/session/{index-keys,model,stolen-store}.test.ts',
  'test/auth/tokens/several-instances.test.ts',
  'test/copy/one-engine.test.ts',
  'test/demo/entries.test.ts',
  'test/events/instances.test.ts',
];

const operations = {
  ...common,
  globalSetup: ['test/support/machine/provision-operations.ts', 'test/support/machine/compile.ts'],
  // They measure how fast servers come back.
  maxWorkers: 2,
  testTimeout: 120_000,
  hookTimeout: 300_000,
};

const projects: TestProjectInlineConfiguration[] = [
  { test: { ...operations, name: 'operations', include: ['test/operations/**/*.test.ts'] } },
  {
    test: {
      ...operations,
      name: 'stores',
      include: EACH_STORE,
      env: { STORE_ENGINES: 'PostgreSQL,Valkey' },
    },
  },
];

export default defineConfig({ test: { projects } });

import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** Common to both suites. */
export const common = {
  // A process for each file would spend a third of the time on loading the same modules.
  isolate: false,
  setupFiles: ['test/support/machine/restore.ts'],
  // Ends what hangs. A test that measures a time states its own limit: on a busy machine everything
  // else may take this long.
  testTimeout: 90_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 60_000 } },
  // Many tests wait for processes and timeouts, not for the processor.
  maxWorkers: 3,
} satisfies TestProjectInlineConfiguration['test'];

export default defineConfig({
  test: {
    ...common,
    include: ['test/**/*.test.ts'],
    // Needs servers, container tools or root: vitest.operations.config.ts.
    exclude: ['test/operations/**'],
    globalSetup: ['test/support/machine/provision.ts', 'test/support/machine/compile.ts'],
  },
});

// Both suites in one run: while tests of operations wait for servers, others use the processor.
import { defineConfig } from 'vitest/config';
import { projects } from './vitest.operations.config.ts';

export default defineConfig({ test: { projects: ['vitest.config.ts', ...projects] } });

// globalSetup of vitest.operations.config.ts.
import { operationsParts } from './parts.ts';
import { provision } from './provision.ts';

export const setup = () => provision(operationsParts);

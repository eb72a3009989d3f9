// The compiled code that tests start as processes (compile.ts).
import { join } from 'node:path';
import { inject } from 'vitest';

/** The path of the JavaScript made from this source file of the project, such as `src/server.ts`. */
export const compiled = (source: string) =>
  join(inject('compiledProject'), source.replace(/\.ts$/, '.js'));

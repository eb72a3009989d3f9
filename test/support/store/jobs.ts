// Starts processes that use a store (store-process.ts), and collects their output.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { StoreError } from '../../../src/store/index.ts';
import { compiled } from '../machine/compiled.ts';

export interface Job {
  process: ChildProcess;
  lines: string[];
  errors: () => string;
  ended: Promise<unknown>;
}

export function run(job: string, file: string, name: string, shell = ''): Job {
  const command = `${shell} exec "$0" "$@"`;
  const script = compiled('test/support/store/store-process.ts');
  const child = spawn('sh', ['-c', command, process.execPath, script, job, file, name]);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return {
    process: child,
    // A line without its end was incomplete when the process died.
    get lines() {
      return output.split('\n').slice(0, -1);
    },
    errors: () => errors,
    ended: once(child, 'close'),
  };
}

/** The code of the StoreError that this rejects with, or a sentence about any other result. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof StoreError ? error.code : `no StoreError but ${String(error)}`;
}

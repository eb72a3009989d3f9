// How much memory a process needs after a garbage collection. As a preload (`node --import`) this file
// tells the parent process that of its own process.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const QUESTION = 'used memory';

if (process.env['REPORT_MEMORY'] !== undefined) {
  process.on('message', (message) => {
    if (message === QUESTION) process.send?.(usedMemory());
  });
  // The message channel alone must not keep the process alive.
  process.channel?.unref();
}

export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}

/** The bytes that objects and buffers of this process take, after a garbage collection. */
function usedMemory(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The used memory of a process that was started with this file as a preload and REPORT_MEMORY. */
export async function usedMemoryOf(child: ChildProcess): Promise<number> {
  const response = once(child, 'message');
  child.send(QUESTION);
  const [bytes] = await response;
  return Number(bytes);
}

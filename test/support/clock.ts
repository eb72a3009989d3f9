// A clock that tests move: this process and every instance it started agree on the time, and nobody
// waits for it. As a preload (`node --import ./test/support/clock.ts`) it takes orders from the
// parent process; imported by a test it gives them.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const RealDate = Date;
let offset = 0;

class ShiftedDate extends RealDate {
  constructor(...values: [] | ConstructorParameters<DateConstructor>) {
    if (values.length === 0) super(ShiftedDate.now());
    else super(...values);
  }

  static override now(): number {
    return RealDate.now() + offset;
  }
}

Object.defineProperty(globalThis, 'Date', { value: ShiftedDate, writable: true });

const initial = process.env['CLOCK_OFFSET_MS'];
if (initial !== undefined) {
  offset = Number(initial);
  process.on('message', (ms: unknown) => {
    if (typeof ms !== 'number') return;
    offset = ms;
    process.send?.(ms);
  });
  // Waiting for orders alone keeps no process alive.
  process.channel?.unref();
}

/** How far this process's clock is ahead of the machine's, in milliseconds. */
export const clockOffset = () => offset;

export function setClock(ms: number): void {
  offset = ms;
}

/** Sets the clock of a process that was started with this file as a preload. */
export async function setClockOf(child: ChildProcess, ms: number): Promise<void> {
  const done = once(child, 'message');
  child.send(ms);
  await done;
}

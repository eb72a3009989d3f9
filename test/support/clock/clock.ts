// A clock that tests move: this process and every instance it started agree on the time, and nobody
// waits for it. As a preload (`node --import ./test/support/clock/clock.ts`) it takes orders from the
// parent process; imported by a test it gives them.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const RealDate = Date;
const monotonicNow = performance.now.bind(performance);
let offset = 0;
let passed = 0;

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
performance.now = () => monotonicNow() + passed;

const initial = process.env['CLOCK_OFFSET_MS'];
if (initial !== undefined) {
  offset = Number(initial);
  process.on('message', (ms: unknown) => {
    if (typeof ms !== 'number') return;
    passed += Math.max(0, ms - offset);
    offset = ms;
    process.send?.(ms);
  });
  // Waiting for orders alone keeps no process alive.
  process.channel?.unref();
}

/** How far this process's clock is ahead of the machine's, in milliseconds. */
export const clockOffset = () => offset;

/** Sets the wall clock, as somebody may at any time: no time has passed by that. */
export function setClock(ms: number): void {
  offset = ms;
}

/** Lets time pass: the wall clock goes on, and so does the monotonic one. */
export function passTime(ms: number): void {
  offset += ms;
  passed += ms;
}

const timeout = AbortSignal.timeout.bind(AbortSignal);

/** Makes what is given some seconds for an answer wait for a twentieth of them, where none will come. */
export function shortenDeadlines(): void {
  AbortSignal.timeout = (ms) => timeout(ms / 20);
}

/** After a test with no answer: on a busy machine one that comes may take as long. */
export function restoreDeadlines(): void {
  AbortSignal.timeout = timeout;
}

/** Lets time pass, up to this offset, in a process that was started with this file as a preload. */
export async function setClockOf(child: ChildProcess, ms: number): Promise<void> {
  const done = once(child, 'message');
  child.send(ms);
  await done;
}

// A clock that tests move instead of waiting; this process and the instances it started agree on
// the time. As a preload (`node --import`) it follows the parent
// process; imported by a test it controls the instances.
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
  // The message channel alone must not keep the process alive.
  process.channel?.unref();
}

/** Milliseconds on the machine's own monotonic clock, which no test moves. */
export const machineNow = monotonicNow;

/** By how many milliseconds this process's clock is ahead of the machine's. */
export const clockOffset = () => offset;

/** Sets the wall clock alone, as an administrator may; the monotonic clock does not move. */
export function setClock(ms: number): void {
  offset = ms;
}

/** Advances both the wall clock and the monotonic clock. */
export function passTime(ms: number): void {
  offset += ms;
  passed += ms;
}

/** Back to the machine's own time, for the next file of tests. */
export function resetClock(): void {
  offset = 0;
  passed = 0;
}

const timeout = AbortSignal.timeout.bind(AbortSignal);

/** Shortens every deadline to a twentieth, for tests in which no response will come. */
export function shortenDeadlines(): void {
  AbortSignal.timeout = (ms) => timeout(ms / 20);
}

/** Restores the deadlines: on a busy machine a real response may need the full time. */
export function restoreDeadlines(): void {
  AbortSignal.timeout = timeout;
}

/** Advances the clocks to this offset in a process that has this file as a preload. */
export async function setClockOf(child: ChildProcess, ms: number): Promise<void> {
  const done = once(child, 'message');
  child.send(ms);
  await done;
}

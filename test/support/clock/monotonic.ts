// The monotonic clock of this process, for tests that fake `Date` alone.
const monotonicNow = performance.now.bind(performance);
let passed = 0;
performance.now = () => monotonicNow() + passed;

/** Back to the machine's own, for the next file of tests. */
export function resetMonotonic(): void {
  passed = 0;
}

/** Advances it by this many milliseconds. */
export function passMonotonic(ms: number): void {
  passed += ms;
}

// The monotonic clock of this process, for tests that fake `Date` alone and let time pass.
const monotonicNow = performance.now.bind(performance);
let passed = 0;
performance.now = () => monotonicNow() + passed;

/** Lets so many milliseconds pass on it. */
export function passMonotonic(ms: number): void {
  passed += ms;
}

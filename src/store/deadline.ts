// Limits to the time that a command of a server may take.

/**
 * Runs `command`, and rejects with what `tooLate` returns if it takes longer than `ms` milliseconds.
 */
export const within = <T>(
  ms: number,
  command: () => Promise<T>,
  tooLate: () => Error,
): Promise<T> =>
  new Promise((resolve, reject) => {
    // If this process was busy, the reply may have arrived: setImmediate lets it be read first.
    const timer = setTimeout(() => setImmediate(() => reject(tooLate())), ms);
    command()
      .finally(() => clearTimeout(timer))
      .then(resolve, reject);
  });

/**
 * Returns a function that runs a command and waits `ms` milliseconds for the reply of `server`.
 * `isInOrder` is for one connection, where replies come in order: after a timeout, commands fail at
 * once until the late reply arrives.
 */
export function createDeadline(server: string, ms: number, isInOrder: boolean) {
  let isSilent = false;
  return async <T>(command: () => Promise<T>): Promise<T> => {
    if (isSilent) throw new Error(`${server} does not respond`);
    let hasReplied = false;
    const run = () =>
      command().finally(() => {
        hasReplied = true;
        isSilent = false;
      });
    return within(ms, run, () => {
      isSilent = isInOrder && !hasReplied;
      return new Error(`${server} did not respond within ${ms} ms`);
    });
  };
}

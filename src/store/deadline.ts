// A limit to the time that a command may take.

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

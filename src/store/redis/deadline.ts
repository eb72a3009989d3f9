// A limit to the time that a command may take.

/**
 * Returns a function that runs a command and waits at most `ms` milliseconds for its reply; it
 * rejects with the command's error, or one of its own. `isInOrder` is for one connection, where
 * replies come in order: after a timeout, commands fail at once until the late reply arrives.
 */
export function createDeadline(ms: number, isInOrder: boolean) {
  let isSilent = false;
  return <T>(command: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (isSilent) return reject(new Error('Redis does not respond'));
      let hasReplied = false;
      const giveUp = () => {
        isSilent = isInOrder && !hasReplied;
        reject(new Error(`Redis did not respond within ${ms} ms`));
      };
      // If this process was busy, the reply may have arrived: setImmediate lets it be read first.
      const timer = setTimeout(() => setImmediate(giveUp), ms);
      command()
        .finally(() => {
          clearTimeout(timer);
          hasReplied = true;
          isSilent = false;
        })
        .then(resolve, reject);
    });
}

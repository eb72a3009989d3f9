// Reads that arrive in one turn of the event loop are answered together, in one transaction. Under load
// their pages are then written together too, which saves more than taking SQLite's file locks once.
// Nothing is cached: every read sees the file as it is after the call.
import type Database from 'libsql';

type PendingRead<Values, Row> = [Values, (row: Row) => void, reject: (error: unknown) => void];

/**
 * Returns a function that queues a call of `read`; the queue runs at the end of the turn, in one
 * transaction if it holds several calls. The promise rejects with what `read` throws. `read` must
 * not write.
 */
export function readTogether<Values, Row>(
  db: Database.Database,
  read: (values: Values) => Row,
): (values: Values) => Promise<Row> {
  let queue: PendingRead<Values, Row>[] = [];

  function runQueue(): void {
    const batch = queue;
    queue = [];
    // Reading `inTransaction` of a closed database makes libsql abort the process.
    const isShared = batch.length > 1 && db.open;
    try {
      if (isShared) db.exec('BEGIN');
      for (const [values, resolve] of batch) resolve(read(values));
    } catch (error) {
      // Calls that already resolved are unaffected.
      for (const [, , reject] of batch) reject(error);
    } finally {
      // An open transaction would swallow the next write. Nothing was written, and unlike a commit
      // a rollback cannot fail.
      if (isShared && db.inTransaction) db.exec('ROLLBACK');
    }
  }

  return (values) =>
    new Promise((resolve, reject) => {
      if (queue.length === 0) setImmediate(runQueue);
      queue.push([values, resolve, reject]);
    });
}

// Reads that arrive in one turn of the event loop share one transaction. Alone, each takes and gives
// back SQLite's locks on the file, which costs more than to find and read the row; under load most of
// a page's time went there. Nothing is remembered: each reads the file as it is after it was asked.
import type Database from 'libsql';

interface Waiting<Values, Row> {
  values: Values;
  resolve: (row: Row) => void;
  reject: (error: unknown) => void;
}

/**
 * `read` is called at once with what was waiting, in a transaction if there are several; the promise
 * rejects with what it throws. It must not write.
 */
export function readTogether<Values, Row>(
  db: Database.Database,
  read: (values: Values) => Row,
): (values: Values) => Promise<Row> {
  let waiting: Waiting<Values, Row>[] = [];

  function answerAll(): void {
    const all = waiting;
    waiting = [];
    // Asked about a transaction after it was closed, libsql aborts the process.
    const share = all.length > 1 && db.open;
    try {
      if (share) db.exec('BEGIN');
      for (const { values, resolve } of all) resolve(read(values));
    } catch (error) {
      // Those that have their row keep it.
      for (const { reject } of all) reject(error);
    } finally {
      // Nothing was written. Left open, it would take the next write with it; a rollback never fails.
      if (share && db.inTransaction) db.exec('ROLLBACK');
    }
  }

  return (values) =>
    new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(answerAll);
      waiting.push({ values, resolve, reject });
    });
}

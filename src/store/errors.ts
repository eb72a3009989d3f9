// A store rejects with StoreError only; its message tells the operator what is wrong.

export type StoreErrorCode =
  /** The server did not respond in time, or another process holds the file. May clear up by itself. */
  | 'store_unreachable'
  /** The file is not a database of this version. It is neither repaired nor deleted. */
  | 'store_damaged'
  /** No room for a write (disk, memory limit); reads still work. */
  | 'store_full'
  /** Writes are refused; reads still work. */
  | 'store_readonly'
  /** Anything else; see `cause`. */
  | 'store_failed';

/** `code` is for the calling code, `message` for the operator; `cause` is the driver's error. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

// Every rejection of a store is a StoreError: what is wrong, in words for the operator.

export type StoreErrorCode =
  /** Nobody answers in time, or another process holds the file. It may pass by itself. */
  | 'store_unreachable'
  /** The file is no database, or not one of this version. Nothing is repaired or deleted by itself. */
  | 'store_damaged'
  /** No room for a write (disk, memory limit); reads go on. */
  | 'store_full'
  /** Writes are refused; reads go on. */
  | 'store_readonly'
  /** Anything else, see `cause`. */
  | 'store_failed';

/** `code` for whoever decides by it, `message` for the operator, the driver's error as `cause`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

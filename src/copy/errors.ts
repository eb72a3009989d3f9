// Why the command stops. In each case the app is as it was before.

export type CopyErrorCode =
  /** The options contradict each other, or the app. */
  | 'usage'
  /** The folder is no app: files, but no package.json, or one that cannot be parsed. */
  | 'not_an_app'
  /** A file is in the way that this command did not write. */
  | 'file_exists'
  /** The app has a package or a compiler setting that the copy does not work with. */
  | 'app_unsuitable'
  /** The app has a copy already, of another version or kind. */
  | 'already_copied'
  /** The app has no copy that could be compared or updated. */
  | 'not_copied'
  /** The record of the copy is damaged. */
  | 'record_invalid'
  /** Conflicts of an earlier update are not resolved. */
  | 'conflicts_unresolved'
  /** The package manager failed. */
  | 'install_failed'
  /** A file could not be written. */
  | 'write_failed'
  /** Interrupted, or not confirmed. */
  | 'cancelled';

export class CopyError extends Error {
  override readonly name = 'CopyError';
  readonly code: CopyErrorCode;

  constructor(code: CopyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

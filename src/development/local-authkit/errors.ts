export type LocalAuthKitErrorCode = 'command' | 'production' | 'state_file' | 'test_kit';

/** An error of the local AuthKit itself; its message is one sentence for a terminal. */
export class LocalAuthKitError extends Error {
  override readonly name = 'LocalAuthKitError';
  readonly code: LocalAuthKitErrorCode;

  constructor(code: LocalAuthKitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

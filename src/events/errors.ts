// Why a webhook or a logout token was refused, as one closed list. The response has the code and the
// message. The sender repeats a webhook after 5xx, and gives up on it after 4xx only in the end.

/** By code: status and message. */
const ERRORS = {
  body_incomplete: [400, 'The body did not arrive completely.'],
  body_not_json: [400, 'The body is not a JSON object.'],
  body_too_large: [413, 'The body is larger than 256 kB.'],
  event_malformed: [400, 'The event lacks a member that its type requires.'],
  logout_token_invalid: [400, 'The logout token is not valid.'],
  logout_token_repeated: [400, 'The logout token was used before.'],
  unavailable: [503, 'The event could not be acted on now: send it again.'],
  signature_invalid: [401, 'The signature does not match the body and the secret.'],
  signature_missing: [401, 'The request has no WorkOS-Signature header of the form t=…, v1=….'],
  signature_outdated: [401, 'The signature was made too long ago, or in the future.'],
} as const satisfies Record<string, [status: number, message: string]>;

export type EventErrorCode = keyof typeof ERRORS;
/** All codes, sorted, so that a test or a document can cover every one. */
export const EVENT_ERROR_CODES = (Object.keys(ERRORS) as EventErrorCode[]).toSorted();

/** A refused request. `message` is for the sender and quotes nothing; `reason` is for the log. */
export class EventError extends Error {
  override readonly name = 'EventError';
  readonly code: EventErrorCode;
  readonly status: number;
  readonly reason: string;

  constructor(
    code: EventErrorCode,
    { reason = code, cause }: { reason?: string; cause?: unknown } = {},
  ) {
    const [status, message]: readonly [number, string] = ERRORS[code];
    super(message, { cause });
    this.code = code;
    this.status = status;
    this.reason = reason;
  }
}

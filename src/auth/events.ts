// What sign-in reports for your log: a closed list of events, which contain no token, authorization
// code or e-mail address.
import type { SignInErrorCode as Code } from './errors.ts';

export type SignInEvent =
  | { event: 'issuer_discovered'; issuer: string; supportsPkce: boolean; authenticatedBy: string }
  | { event: 'issuer_unavailable'; code: Code; hint: string | undefined; retryInSeconds: number }
  | { event: 'clock_skew'; seconds: number }
  | { event: 'sign_in_started'; attempt: string; returnTo: string }
  | { event: 'sign_in_completed'; attempt: string; sub: string; orgId?: string | undefined }
  | { event: 'user_info_failed'; sub: string; code: Code }
  | { event: 'sign_in_failed'; attempt: string; code: Code; hint: string | undefined }
  | { event: 'sign_in_continued'; code: Code; sub: string }
  | { event: 'tokens_refreshed'; sub: string; version: number }
  | { event: 'refresh_failed'; sub: string; code: Code; retryInSeconds?: number }
  | { event: 'refresh_response_malformed'; sub: string; members: string }
  | { event: 'organization_changed'; sub: string; from: string | undefined; to: string | undefined }
  /** Alert the operator: sign-ins and refreshes fail until the credentials are corrected. */
  | { event: 'client_refused'; code: Code }
  | { event: 'session_touch_failed'; sub: string }
  | { event: 'session_ended'; sub: string; reason: SessionEnd }
  | { event: 'signed_out'; sub: string; revocation: 'requested' | 'not_advertised' | 'no_token' }
  | { event: 'revocation_failed'; code: Code };

export type SessionEnd =
  | 'grant_ended'
  | 'grant_refused'
  | 'not_renewable'
  | 'identity_changed'
  | 'ended_by_user';

export type SignInEventListener = (event: SignInEvent, cause?: unknown) => void;

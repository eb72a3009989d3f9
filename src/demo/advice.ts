// What to do about each sign-in error, with the names of this app's settings. The same sentences
// are in docs/troubleshooting.md.
import type { SignInErrorCode } from '../auth/index.ts';

export const ADVICE: { [code in SignInErrorCode]: string } = {
  access_denied: 'Sign in again and allow access, or ask the administrator of your organization.',
  attempt_expired: 'Sign in again. This takes only a moment if you are still signed in at AuthKit.',
  attempt_missing:
    'Sign in again in this browser. If this happens every time, allow cookies for this site and always open it under the same host name.',
  attempt_used: 'Sign in again. A response from AuthKit works only once.',
  authorization_refused:
    'Check OAUTH_SCOPE and OAUTH_RESOURCE against the application in the WorkOS dashboard.',
  callback_invalid: 'Start with "Sign in".',
  client_refused:
    'Check OAUTH_APP_CLIENT_ID and OAUTH_APP_CLIENT_SECRET, since the secret may have been deleted; and OAUTH_CLIENT_AUTH, if the issuer accepts another method than the log names.',
  clock_skew:
    'Set this server’s clock (NTP). Tokens are accepted with a difference of up to 30 seconds.',
  code_refused: 'Sign in again. A code works only once, and only for a short time.',
  cross_site_request: 'Use the button on this site’s own page, and open the site at BASE_URL.',
  foreign_issuer: 'Start with "Sign in". If a program made the link, correct its iss.',
  fresh_token_unavailable: 'You are still signed in. Try again in a moment.',
  id_token_invalid:
    'Sign in again. If the error persists, check AUTHKIT_ISSUER and OAUTH_APP_CLIENT_ID; the log has the reason.',
  introspection_unavailable:
    'This page needs a confidential application (OAUTH_APP_CLIENT_SECRET) and an issuer with introspection.',
  issuer_mismatch: 'Set AUTHKIT_ISSUER to exactly the advertised issuer; the log shows both.',
  issuer_response_mismatch:
    'Sign in again. If the error persists, check whether two issuers are being mixed up.',
  issuer_timeout:
    'Try again in a moment. If the error persists, check this server’s outbound network, and HTTPS_PROXY if it is set.',
  issuer_unreachable:
    'Try again in a moment. If the error persists, check AUTHKIT_ISSUER, this server’s outbound network, and HTTPS_PROXY if it is set.',
  login_required: 'Sign in, then try again.',
  method_not_allowed:
    'Use response mode "query": a form post would arrive without the SameSite=Lax cookie.',
  on_sign_in_failed:
    'Try again in a moment. If the error persists, see the log for what onSignIn threw.',
  other_person:
    'Nothing was changed. Go back, reload the page, and check who is signed in before you press the button.',
  organization_required: 'Choose an organization, or ask to be invited to one.',
  permission_required:
    'Ask the administrator of your organization. For the developer: request the permission in OAUTH_SCOPE, or add permissions to the JWT template.',
  refresh_refused:
    'Sign in again. If the error persists, ask the administrator of your organization.',
  response_invalid:
    'Try again in a moment. If the error persists, check AUTHKIT_ISSUER and look for a proxy that rewrites responses.',
  sign_in_loop:
    'Either this browser does not keep the session cookie, or AuthKit ends the session. Delete the cookies of this site, allow cookies, set the clock of this computer (cookies expire at once if it is ahead), and sign in again. The log names the sessions that AuthKit ended.',
  state_mismatch: 'Sign in again in this browser. It keeps at most five sign-ins open.',
  store_unavailable:
    'No session was ended. Try again in a moment; the log says what is wrong with the store.',
  user_mismatch: 'Sign in again.',
};

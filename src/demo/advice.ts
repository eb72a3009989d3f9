// What to do about each error of signing in, with the names of this app's settings. The same sentences
// are in docs/troubleshooting.md.
import type { SignInErrorCode } from '../auth/index.ts';

export const ADVICE: { [code in SignInErrorCode]: string } = {
  access_denied: 'Sign in again and allow access, or ask the administrator of your organization.',
  attempt_expired: 'Sign in again; it takes a moment if you are still signed in at AuthKit.',
  attempt_missing:
    'Sign in again in this browser. If it happens every time, allow cookies for this site and open it under one host name only.',
  attempt_used: 'Sign in again; a response from AuthKit works one time only.',
  authorization_refused:
    'Check OAUTH_SCOPE and OAUTH_RESOURCE against the application in the WorkOS dashboard.',
  callback_invalid: 'Start with "Sign in".',
  client_refused:
    'Check OAUTH_APP_CLIENT_ID and OAUTH_APP_CLIENT_SECRET; the secret may have been deleted.',
  clock_skew: 'Set this server’s clock (NTP); tokens are accepted with 30 seconds of difference.',
  code_refused: 'Sign in again; a code works once and only for a short time.',
  cross_site_request: 'Use the button on this site’s own page, and open the site at BASE_URL.',
  fresh_token_unavailable: 'You are still signed in. Try again in a moment.',
  id_token_invalid:
    'Sign in again. If it stays, check AUTHKIT_ISSUER and OAUTH_APP_CLIENT_ID; the log has the reason.',
  introspection_unavailable:
    'It needs a confidential application (OAUTH_APP_CLIENT_SECRET) and an issuer with introspection.',
  issuer_mismatch: 'Set AUTHKIT_ISSUER to exactly the advertised issuer; the log shows both.',
  issuer_response_mismatch: 'Sign in again. If it stays, look for a mix-up of two issuers.',
  issuer_timeout: 'Try again in a moment. If it stays, check the network out of this server.',
  issuer_unreachable:
    'Try again in a moment. If it stays, check AUTHKIT_ISSUER and the network out of this server.',
  login_required: 'Sign in, then try again.',
  method_not_allowed: 'Use response mode "query"; a form post would lose the SameSite=Lax cookie.',
  on_sign_in_failed:
    'Try again in a moment. If it stays, the log has the cause: what onSignIn threw.',
  other_person:
    'Nothing was done. Go back, load the page again, and look who is signed in before you press the button.',
  organization_required: 'Choose an organization, or ask to be invited to one.',
  refresh_refused: 'Sign in again. If it stays, ask the administrator of your organization.',
  response_invalid:
    'Try again in a moment. If it stays, check AUTHKIT_ISSUER and look for a proxy that rewrites responses.',
  sign_in_loop:
    'This browser does not keep the session, or AuthKit ends it. Delete the cookies of this site, allow them, set the clock of this computer (one that is ahead lets them expire at once), and sign in again; the log names the sessions that AuthKit ended.',
  state_mismatch: 'Sign in again in this browser; it keeps five sign-ins open.',
  store_unavailable:
    'Nobody was signed out. Try again in a moment; the log says what is wrong with the store.',
  user_mismatch: 'Sign in again.',
};

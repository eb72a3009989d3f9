// Polls for the tokens of a device code until the user has decided or the code expires (RFC 8628
// section 3.5). pollDeviceAuthorizationGrant would end at the first lost connection, while the user
// is still typing the code.

import { setTimeout as pause } from 'node:timers/promises';
import * as oauth from 'openid-client';
import { CliError, isTransient } from './errors.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:device_code';

/** A longer timer than 24 days would fire at once. */
const longestSeconds = 86_400;

/** Throws the OAuth error that ends the sign-in, or CliError `not_completed` on expiry. */
export async function pollForTokens(
  config: oauth.Configuration,
  device: oauth.DeviceAuthorizationResponse,
) {
  const lifetime = Math.min(device.expires_in, longestSeconds);
  const signal = AbortSignal.timeout(Math.ceil(lifetime * 1000));
  let interval = device.interval ?? 5;
  let failures = 0;
  let wait = interval;
  for (;;) {
    await pause(Math.min(wait, longestSeconds) * 1000, undefined, { signal }).catch(expired);
    try {
      return await oauth.genericGrantRequest(config, grantType, {
        device_code: device.device_code,
      });
    } catch (error) {
      const code = error instanceof oauth.ResponseBodyError ? error.error : undefined;
      if (code === 'slow_down') interval += 5;
      if (code === 'slow_down' || code === 'authorization_pending') failures = 0;
      else if (isTransient(error)) failures += 1;
      else throw error;
      // Doubled on each failure in a row, but not so often that the end of an outage is missed.
      wait = Math.max(interval * 2 ** Math.min(failures, 3), retryAfter(error));
    }
  }
}

function expired(cause: unknown): never {
  throw new CliError('not_completed', 'The code has expired. Start again.', { cause });
}

/** Returns the seconds that the response asks to wait (RFC 9110 section 10.2.3), or 0. */
function retryAfter(error: unknown): number {
  // A response that is not OAuth is the cause of openid-client's error.
  const response =
    error instanceof oauth.ResponseBodyError || error instanceof oauth.WWWAuthenticateChallengeError
      ? error.response
      : error instanceof Error && error.cause;
  const value = response instanceof Response ? response.headers.get('retry-after') : null;
  if (value === null) return 0;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return seconds || 0; // NaN: neither a number nor a date
}

// Control over the local AuthKit, for tests in the same process; control-routes.ts offers the same
// over HTTP.

import { endConsents, revokeChain } from './consents.ts';
import { ACCESS_TOKEN_SECONDS, type Environment } from './environment.ts';
import type { Endpoint, FaultInput, Faults } from './faults.ts';
import { newSigningKey, type SigningKey } from './signing-keys.ts';
import type { State } from './state-file.ts';

interface Sub {
  sub: string;
}

export interface Control {
  /** Makes an endpoint fail. Errors: ZodError. */
  fault: (input: FaultInput) => void;
  /** Ends all faults, counts requests from zero, restores the lifetime of access tokens. */
  reset: () => void;
  /** How many requests each endpoint has seen since the start or the last reset. */
  requests: () => Record<Endpoint, number>;
  /** The person's refresh tokens expire; introspection and UserInfo refuse their access tokens. */
  expireTokens: (input: Sub) => void;
  /** All tokens of the person are unknown from now on; what they consented to stays. */
  revokeTokens: (input: Sub) => void;
  /** Takes back the person's consent, to one application or to all, with every token of it. */
  endGrant: (input: Sub & { clientId?: string | undefined }) => void;
  /** Publishes the key that the next rotation will sign with. */
  publishKey: () => Promise<{ kid: string }>;
  /** Signs with the published next key, else with one never announced; old keys stay published. */
  rotateKeys: () => Promise<{ kid: string }>;
  /** Publishes only the key that signs and the next one. */
  retireKeys: () => void;
  /** Lifetime of the access tokens of people that are issued from now on, until reset. */
  setAccessTokenSeconds: (input: { seconds: number }) => void;
}

/** Returns the control; `reload` makes the endpoints sign with the keys as they are then. */
export function createControl(
  environment: Environment,
  faults: Faults,
  reload: () => void,
): Control {
  const { state } = environment;
  function useKeys(keys: SigningKey[]): void {
    state.signingKeys = keys;
    state.changed();
    reload();
  }

  return {
    fault: (input) => faults.set(input),
    reset() {
      faults.clear();
      environment.accessTokenSeconds = ACCESS_TOKEN_SECONDS;
    },
    requests: () => faults.requests(),
    expireTokens({ sub }) {
      forgetAccessTokens(state, sub);
      for (const [key, record] of state.records.live()) {
        const isTheirs = key.startsWith('RefreshToken:') && record.accountId === sub;
        if (isTheirs) record.exp = Math.floor(Date.now() / 1000);
      }
      state.changed();
    },
    revokeTokens({ sub }) {
      forgetAccessTokens(state, sub);
      for (const [grantId, authorization] of state.authorizations.live()) {
        if (authorization.sub === sub) revokeChain(environment, grantId);
      }
    },
    endGrant: ({ sub, clientId }) => endConsents(environment, sub, clientId),
    async publishKey() {
      const key = { ...(await newSigningKey()), isNext: true };
      useKeys([...state.signingKeys, key]);
      return { kid: key.kid };
    },
    async rotateKeys() {
      const next = state.signingKeys.find(({ isNext }) => isNext) ?? (await newSigningKey());
      const others = state.signingKeys.filter(({ kid }) => kid !== next.kid);
      useKeys([{ ...next, isNext: false }, ...others]);
      return { kid: next.kid };
    },
    retireKeys: () =>
      useKeys(state.signingKeys.filter(({ isNext }, index) => index === 0 || isNext)),
    setAccessTokenSeconds({ seconds }) {
      environment.accessTokenSeconds = seconds;
    },
  };
}

function forgetAccessTokens({ issuedTokens }: State, sub: string): void {
  for (const [jti, token] of issuedTokens.live()) {
    if (token.sub === sub) issuedTokens.delete(jti);
  }
}

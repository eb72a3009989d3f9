// The control API of the local AuthKit for tests in the same process; control-routes.ts offers it
// over HTTP.

import { endConsents, revokeChain } from './consents.ts';
import { ACCESS_TOKEN_SECONDS, type Environment } from './environment.ts';
import type { Endpoint, FaultInput, Faults } from './faults.ts';
import type { PersonChanges } from './person-changes.ts';
import { newSigningKey, type SigningKey } from './signing-keys.ts';
import type { State } from './state-file.ts';

interface Sub {
  sub: string;
}

export interface Control extends PersonChanges {
  /** Makes an endpoint fail. Errors: ZodError. */
  fault: (input: FaultInput) => void;
  /** Clears all faults and request counts, and restores the lifetime of access tokens. */
  reset: () => void;
  /** Requests per endpoint since the start or the last reset. */
  requests: () => Record<Endpoint, number>;
  /** Expires the person's refresh tokens; introspection and UserInfo refuse their access tokens. */
  expireTokens: (input: Sub) => void;
  /** Revokes all tokens of the person; their consents stay. */
  revokeTokens: (input: Sub) => void;
  /** Withdraws the person's consent to one application or to all, and revokes its tokens. */
  endGrant: (input: Sub & { clientId?: string | undefined }) => void;
  /** Publishes the key that will sign after the next rotation. */
  publishKey: () => Promise<{ kid: string }>;
  /** Signs with the published next key, else with an unannounced one; old keys stay published. */
  rotateKeys: () => Promise<{ kid: string }>;
  /** Publishes only the signing key and the next one. */
  retireKeys: () => void;
  /** Sets the lifetime of access tokens issued to people from now on, until reset. */
  setAccessTokenSeconds: (input: { seconds: number }) => void;
}

/** Returns the control API; `reload` makes the endpoints use the current keys. */
export function createControl(
  environment: Environment,
  faults: Faults,
  changes: PersonChanges,
  reload: () => void,
): Control {
  const { state } = environment;
  function useKeys(keys: SigningKey[]): void {
    state.signingKeys = keys;
    state.changed();
    reload();
  }

  return {
    ...changes,
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

// Implements oidc-provider's storage interface. It differs from a plain store in two ways: a
// refresh token used a moment ago counts as unused, because AuthKit tolerates a replay for a short
// time; and a code can be used only once, even by two concurrent requests.

import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';
import { InvalidGrant } from 'oidc-provider/lib/helpers/errors.js';
import type { State } from './state-file.ts';

/** Expired records are kept this long, to tell an expired device code from an unknown one. */
const RETENTION_SECONDS = 3600;

/** Returns oidc-provider's adapters; a used refresh token works for `replaySeconds` more. */
export function createAdapterFactory(
  { records }: Pick<State, 'records'>,
  replaySeconds: number,
): AdapterFactory {
  return (model): Adapter => {
    const key = (id: string) => `${model}:${id}`;
    const search = (matches: (payload: AdapterPayload) => boolean) =>
      records
        .live()
        .find(([name, payload]) => name.startsWith(`${model}:`) && matches(payload))?.[1];

    return {
      async upsert(id, payload, expiresIn) {
        const seconds = expiresIn === undefined ? undefined : expiresIn + RETENTION_SECONDS;
        records.set(key(id), payload, seconds);
      },
      async find(id) {
        const payload = records.get(key(id));
        if (model !== 'RefreshToken' || !payload?.consumed) return payload;
        const isTolerated = Date.now() - payload.consumed < replaySeconds * 1000;
        return isTolerated ? { ...payload, consumed: undefined } : payload;
      },
      async findByUid(uid) {
        return search((payload) => payload.uid === uid);
      },
      async findByUserCode(userCode) {
        return search((payload) => payload.userCode === userCode);
      },
      async consume(id) {
        const payload = records.get(key(id));
        if (!payload) return;
        if (payload.consumed && model !== 'RefreshToken') {
          throw new InvalidGrant({ detail: 'used by another request' });
        }
        const used = { ...payload, consumed: payload.consumed ?? Date.now() };
        records.set(key(id), used, RETENTION_SECONDS);
      },
      async destroy(id) {
        records.delete(key(id));
      },
      async revokeByGrantId(grantId) {
        for (const [name, payload] of records.live()) {
          if (name.startsWith(`${model}:`) && payload.grantId === grantId) records.delete(name);
        }
      },
    };
  };
}

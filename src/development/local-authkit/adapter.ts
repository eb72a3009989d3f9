// oidc-provider's storage interface over the state. Two things differ from a plain store: a refresh
// token spent a moment ago is shown as unspent, because AuthKit tolerates a replay for a short while;
// and a code can be spent only once, even by two requests at the same time.

import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';
import { InvalidGrant } from 'oidc-provider/lib/helpers/errors.js';
import type { State } from './state-file.ts';

/** Kept this long past its end, so that an expired device code is told from an unknown one. */
const RETENTION_SECONDS = 3600;

/** Returns oidc-provider's adapters; a spent refresh token works for `replaySeconds` more. */
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
          throw new InvalidGrant({ detail: 'spent by another request' });
        }
        const spent = { ...payload, consumed: payload.consumed ?? Date.now() };
        records.set(key(id), spent, RETENTION_SECONDS);
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

// The token record of a session: sealed for the store, opened where a token is used.
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { TokenRow } from './records.ts';
import type { Sealer } from './seal.ts';
import type { Grant, TokenSet } from './tokens.ts';

export interface HeldTokens {
  tokens: TokenSet;
  grant: Grant;
  version: number;
}

export interface TokenRecordSealer {
  /** Both parts as the store keeps them; `sid` is the session they can be opened with. */
  seal(sid: string, grant: Grant, tokens: TokenSet): { grant: Buffer; tokens: Buffer };
  /** Undefined for a record that was sealed with none of the secrets, or for another session. */
  open(sid: string, row: TokenRow): HeldTokens | undefined;
}

/** Takes the sealers of the two parts: every request opens the first, few the second. */
export function createTokenRecordSealer(grants: Sealer, tokens: Sealer): TokenRecordSealer {
  return {
    // Token sets are most of what a session takes in the store, and a JWT of text deflates well.
    seal: (sid, grant, set) => ({
      grant: grants.seal(JSON.stringify(grant), sid),
      tokens: tokens.seal(deflateRawSync(JSON.stringify(set)), sid),
    }),
    open(sid, row) {
      const deflated = tokens.open(row.tokens, sid);
      const grant = grants.open(row.grant, sid);
      if (!deflated || !grant) return undefined;
      // IMPORTANT: only what our own key opened gets here.
      return {
        tokens: JSON.parse(inflateRawSync(deflated).toString()) as TokenSet,
        grant: JSON.parse(grant.toString()) as Grant,
        version: row.version,
      };
    },
  };
}

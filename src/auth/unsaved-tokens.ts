// Renewed tokens that the store did not take. AuthKit gives them once, and what they replace is spent,
// so an outage of the store between AuthKit's answer and our write must not lose them: they wait in
// memory, and are written as soon as the store answers again.
import { setTimeout as delay } from 'node:timers/promises';
import type { SealedSessionStore } from './session-store.ts';
import type { Grant, TokenSet } from './tokens.ts';

const TRY_AGAIN_MS = 200;
const LONGEST_MS = 600_000;

export interface RenewedTokens {
  tokens: TokenSet;
  grant: Grant;
}

interface Unsaved {
  from: number;
  renewed: RenewedTokens;
}

export interface UnsavedTokens {
  /** Keeps what replaces version `from` of this session's tokens, and goes on trying to write it. */
  keep(sid: string, from: number, renewed: RenewedTokens): void;
  /** What still waits to replace version `from`; whoever takes it saves it. */
  take(sid: string, from: number): RenewedTokens | undefined;
}

/** In the memory of this process, for ten minutes at most: then the session needs a new sign-in. */
export function createUnsavedTokens(store: SealedSessionStore): UnsavedTokens {
  const waiting = new Map<string, Unsaved>();

  async function writeLater(sid: string, mine: Unsaved): Promise<void> {
    const until = performance.now() + LONGEST_MS;
    do {
      await delay(TRY_AGAIN_MS, undefined, { ref: false });
      // Taken by a request, or the next outage brought newer ones.
      if (waiting.get(sid) !== mine) return;
    } while (!(await isAnswered(sid, mine)) && performance.now() < until);
    if (waiting.get(sid) === mine) waiting.delete(sid);
  }

  /** False is an answer too: the session has ended, or somebody else replaced its tokens. */
  function isAnswered(sid: string, { from, renewed }: Unsaved): Promise<boolean> {
    return store.replaceTokens(sid, from, renewed.grant, renewed.tokens).then(
      () => true,
      () => false,
    );
  }

  return {
    keep(sid, from, renewed) {
      const mine = { from, renewed };
      waiting.set(sid, mine);
      void writeLater(sid, mine);
    },
    take(sid, from) {
      const found = waiting.get(sid);
      waiting.delete(sid);
      return found?.from === from ? found.renewed : undefined;
    },
  };
}

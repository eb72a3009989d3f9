// The relying party's view of the issuer: discovered in the background, again and again, never fatal.
// The app serves its public pages while AuthKit is away, and keeps what it knew once it was there.
import { setTimeout as delay } from 'node:timers/promises';
import { discoverOnce, type ClientOptions, type Discovered } from './discovery.ts';
import { SignInError } from './errors.ts';
import type { SignInEventListener } from './events.ts';
import { toSignInError } from './failure.ts';

export interface RelyingParty {
  /** The discovered configuration. @throws SignInError while the issuer was never reached */
  config(): Promise<Discovered>;
  /** The same where it must not be waited for; undefined while the issuer was never reached. */
  known(): Discovered | undefined;
  /** Asks the issuer again if the last answer is older than a few seconds. Never rejects. */
  state(): Promise<'never_reached' | 'ready' | 'away'>;
  /** By how much this server's clock was ahead of the issuer's at its last answer. */
  clockSkewSeconds(): number;
  close(): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
const FRESH_MS = 3_000;
const LONGEST_LOOK_MS = 300;
const WORTH_A_LINE_S = 10;

/** Takes what a Connect application is configured with; begins to look for the issuer at once. */
export function createRelyingParty(
  options: ClientOptions,
  onEvent: SignInEventListener,
): RelyingParty {
  let discovered: Discovered | undefined;
  let inFlight: Promise<Discovered> | undefined;
  let failure: SignInError | undefined;
  let checkedAt = 0;
  let skewSeconds = 0;

  function noteSkew(seconds: number): void {
    const isNews = Math.abs(seconds - skewSeconds) > WORTH_A_LINE_S;
    skewSeconds = seconds;
    if (isNews) onEvent({ event: 'clock_skew', seconds });
  }

  /** One discovery at a time, shared by all who wait for it. */
  function discover(): Promise<Discovered> {
    inFlight ??= discoverOnce(options, noteSkew)
      .then((found) => {
        // The same metadata keeps its object, and with it the cached keys.
        if (!discovered || !sameMetadata(discovered, found)) discovered = found;
        failure = undefined;
        return discovered;
      })
      .catch((cause: unknown) => {
        failure = toSignInError(cause);
        throw failure;
      })
      .finally(() => {
        checkedAt = Date.now();
        inFlight = undefined;
      });
    return inFlight;
  }

  const close = discoverUntilFound(discover, onEvent);
  return {
    async config() {
      if (discovered) return discovered;
      if (inFlight) return inFlight;
      throw failure ?? new SignInError('issuer_unreachable');
    },
    known: () => discovered,
    async state() {
      // A readiness probe gives up after a second; an issuer that is silent takes longer to fail.
      // The answer is then what is known, and the next probe hears the outcome.
      if (discovered && Date.now() - checkedAt > FRESH_MS) {
        const asked = discover().catch(() => undefined);
        await Promise.race([asked, delay(LONGEST_LOOK_MS, undefined, { ref: false })]);
      }
      if (!discovered) return 'never_reached';
      return failure ? 'away' : 'ready';
    },
    clockSkewSeconds: () => skewSeconds,
    close,
  };
}

/** Asks until the issuer was found once. The function it returns stops that. */
function discoverUntilFound(
  discover: () => Promise<Discovered>,
  onEvent: SignInEventListener,
): () => void {
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  async function look(): Promise<void> {
    try {
      const metadata = (await discover()).signIn.serverMetadata();
      const { issuer } = metadata;
      onEvent({ event: 'issuer_discovered', issuer, supportsPkce: metadata.supportsPKCE() });
    } catch (cause) {
      // Closed while it was asked: nobody would stop a timer that is set now.
      if (isClosed) return;
      const error = toSignInError(cause);
      // Jitter, so that the instances of a fleet do not return in step.
      const pauseMs =
        Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures++) * (0.5 + Math.random() / 2);
      const line = {
        code: error.code,
        retryInSeconds: Math.ceil(pauseMs / 1000),
        ...(error.hint !== undefined && { hint: error.hint }),
      };
      onEvent({ event: 'issuer_unavailable', ...line }, error);
      timer = setTimeout(() => void look(), pauseMs).unref();
    }
  }
  void look();

  return () => {
    isClosed = true;
    clearTimeout(timer);
  };
}

const sameMetadata = (a: Discovered, b: Discovered) =>
  JSON.stringify(a.signIn.serverMetadata()) === JSON.stringify(b.signIn.serverMetadata());

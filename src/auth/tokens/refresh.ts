// The access token, renewed before it expires: one refresh per session, however many requests, processes
// and machines see it due. A refresh token works once (rotation, RFC 9700 §2.2.2); a second refresh with
// it may cost the whole session.
// In order: refreshIfDue -> one promise per process -> one lease for all -> RFC 6749 §6 -> compare-and-set.
import type { Request } from 'express';
import { LRUCache } from 'lru-cache';
import { refreshTokenGrant } from 'openid-client';
import type { Context } from '../context.ts';
import { SignInError, storeFailure, type SignInErrorCode } from '../errors.ts';
import type { SessionEnd } from '../events.ts';
import { isConnectionFailure, secondsToWait, toSignInError } from '../openid-errors.ts';
import type { SessionId } from '../session/cookie.ts';
import { setFacts } from '../session/session.ts';
import type { StoredTokens } from '../session/sealed-store.ts';
import { revokeRefreshToken } from '../sign-out.ts';
import type { User } from '../sign-in/user.ts';
import { Backoff } from './backoff.ts';
import { refreshLease, withLease } from './lease.ts';
import { GrantRefusal, isOperators, isRefusedForGood, refusalOf } from './refusals.ts';
import type { Refused } from './refusals.ts';
import { isAboutSame, isDue, isTokenResponse, oddMembers, toTokens } from './token-set.ts';
import type { Tokens } from './token-set.ts';

/** The facts as they are now; why the session goes on without new ones; or that it is over. */
type Outcome = Pick<Tokens, 'facts'> | { failed: SignInError } | 'ended';

/** The session whose access token is due. */
interface Due extends SessionId {
  user: User;
  /** The version of the token record that was seen to be due. */
  version: number;
}

/** Tokens of somebody else, or for another application: the session is over. */
const OTHER_IDENTITY = new Set<SignInErrorCode>(['id_token_invalid', 'user_mismatch']);

const TRY_AGAIN_MS = 200;
const UNSAVED_MS = 600_000;

export class Refresher {
  readonly #context: Context;
  readonly #backoff = new Backoff();
  /** The refreshes of this process that are under way, by session key. */
  readonly #running = new Map<string, Promise<Outcome>>();
  readonly #refused: Refused = new LRUCache({ max: 1_000 });
  /** Renewed tokens that the store did not take, by session key; `from`: the version that they replace. */
  readonly #unsaved = new Map<string, Tokens & { from: number }>();

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Renews the token set of the request's session if it is due. Resolves to 'fresh'; to 'ended' when
   * the session is over; to the SignInError when AuthKit, or the store, could not be asked. Never
   * rejects.
   */
  async refreshIfDue(req: Request): Promise<'fresh' | 'ended' | SignInError> {
    const { stored, current } = req.authSession ?? {};
    if (!stored || !current || !isDue(current.facts)) return 'fresh';
    const retryAfter = this.#backoff.remaining(stored.key);
    if (retryAfter !== undefined) return new SignInError('issuer_unreachable', { retryAfter });
    const outcome = await this.#once({ ...stored, user: current.user });
    if (outcome === 'ended') return 'ended';
    if ('failed' in outcome) return outcome.failed;
    setFacts(req, outcome.facts);
    return 'fresh';
  }

  /** Resolves once no refresh of this process is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** All requests of this process that see the same session due share one refresh. */
  #once(due: Due): Promise<Outcome> {
    const running = this.#running.get(due.key);
    if (running) return running;
    const outcome = withLease(this.#context.records, refreshLease(due.key), () =>
      this.#refresh(due),
    )
      .catch((cause: unknown) => ({ failed: toSignInError(cause) }))
      .finally(() => this.#running.delete(due.key));
    this.#running.set(due.key, outcome);
    return outcome;
  }

  /** With the lease in hand. */
  async #refresh(due: Due): Promise<Outcome> {
    const held = await this.#context.store.readTokens(due);
    if (!held) return 'ended';
    // The store, not this request's copy: whoever held the lease before may have renewed it.
    if (held.version > due.version || !isDue(held.facts)) return { facts: held.facts };
    let next: Tokens;
    try {
      next = this.#takeUnsaved(due.key, held.version) ?? (await this.#askAuthKit(due, held));
    } catch (cause) {
      return this.#failed(due, held, cause);
    }
    return this.#save(due, held, next);
  }

  /**
   * The one request to AuthKit (RFC 6749 §6; OpenID Connect Core §12). A response that carries a refresh
   * token has spent ours: whatever else is odd about it, the new one is kept. Identity comes first.
   */
  async #askAuthKit({ key, user }: Due, held: StoredTokens): Promise<Tokens> {
    const { issuer, clientId, scope, resource, onEvent } = this.#context;
    const { observing } = await issuer.config();
    // Without `resource` here as well, AuthKit falls back to the default audience (RFC 8707 §2.2).
    const parameters = resource !== undefined ? { resource } : undefined;
    let seen: { status: number; body: unknown } | undefined;
    const observed = observing((status, body) => (seen = { status, body }));
    const { refreshToken = '' } = held.tokens;
    const complaint: unknown = await refreshTokenGrant(observed, refreshToken, parameters).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    const isSuccess = seen && seen.status >= 200 && seen.status < 300;
    const body = isSuccess ? seen?.body : undefined;
    if (!isTokenResponse(body)) {
      if (isOperators(seen?.body))
        onEvent({ event: 'client_refused', code: toSignInError(complaint).code });
      const refusal = seen && refusalOf(seen.status, seen.body, complaint);
      throw refusal ?? complaint ?? new SignInError('response_invalid');
    }
    this.#backoff.reset(key);
    this.#refused.delete(key);
    const next = toTokens(body, user.issuer, scope, held);
    if (!isAboutSame(user, clientId, body, next.tokens.accessToken)) {
      void revokeRefreshToken(this.#context, next.tokens);
      throw new SignInError('user_mismatch');
    }
    const members = oddMembers(body, complaint !== undefined);
    if (members !== '') onEvent({ event: 'refresh_response_malformed', sub: user.sub, members });
    return next;
  }

  /** Compare-and-set: a sign-out wins, and so does an instance that was faster. */
  async #save(due: Due, held: StoredTokens, next: Tokens, until?: number): Promise<Outcome> {
    const { store, onEvent } = this.#context;
    const { sub, issuer } = due.user;
    const write = store.replaceTokens(due, held.version, next, issuer);
    const isSaved = await write.catch((cause: unknown) => {
      this.#saveLater(due, held, next, until);
      throw cause;
    });
    if (!isSaved) {
      const outcome = (await this.#overtaken(due, held)) ?? 'ended';
      // Signed out while AuthKit answered: the new refresh token belongs to nobody. Only then, since
      // revoking it takes its whole chain along, also what a faster instance has just saved.
      if (outcome === 'ended') void revokeRefreshToken(this.#context, next.tokens);
      return outcome;
    }
    const [from, to] = [held.facts.orgId, next.facts.orgId];
    if (from !== to) onEvent({ event: 'organization_changed', sub, from, to });
    onEvent({ event: 'tokens_refreshed', sub, version: held.version + 1 });
    return { facts: next.facts };
  }

  /** What a failure means for the session: it goes on, or it is over. */
  async #failed(due: Due, held: StoredTokens, cause: unknown): Promise<Outcome> {
    const { records, onEvent } = this.#context;
    const { sub } = due.user;
    const error = toSignInError(cause);
    const { code } = error;
    const reason = this.#endBy(due.key, cause, code);
    if (!reason) {
      const retryInSeconds =
        cause instanceof GrantRefusal
          ? this.#backoff.beginRefused(due.key)
          : this.#backoff.beginAway(due.key, sub, isConnectionFailure(cause), secondsToWait(error));
      onEvent({ event: 'refresh_failed', sub, code, retryInSeconds }, error);
      return { failed: error };
    }
    // A refusal may be the other side of a sign-out, or of a faster instance's success.
    const outcome = await this.#overtaken(due, held);
    if (outcome) return outcome;
    onEvent({ event: 'refresh_failed', sub, code }, error);
    await records.remove(due.key).catch(storeFailure);
    onEvent({ event: 'session_ended', sub, reason });
    return 'ended';
  }

  /** Why the session is over, if it is. */
  #endBy(key: string, cause: unknown, code: SignInErrorCode): SessionEnd | undefined {
    if (OTHER_IDENTITY.has(code)) return 'identity_changed';
    if (!(cause instanceof GrantRefusal)) return undefined;
    if (cause.isFinal) return 'grant_ended';
    return isRefusedForGood(this.#refused, key) ? 'grant_refused' : undefined;
  }

  /** What happened to the session since its tokens were read; undefined: nothing. */
  async #overtaken(due: Due, held: StoredTokens): Promise<Outcome | undefined> {
    const now = await this.#context.store.readTokens(due);
    if (!now) return 'ended';
    return now.version > held.version ? { facts: now.facts } : undefined;
  }

  #takeUnsaved(key: string, from: number): Tokens | undefined {
    const found = this.#unsaved.get(key);
    this.#unsaved.delete(key);
    return found?.from === from ? found : undefined;
  }

  /**
   * AuthKit gives tokens once, and what they replace is spent: an outage of the store between its
   * response and our write must not lose them. They wait in memory, for ten minutes at most, and are
   * saved as soon as the store answers.
   */
  #saveLater(due: Due, held: StoredTokens, next: Tokens, until = performance.now() + UNSAVED_MS) {
    const mine = { ...next, from: held.version };
    this.#unsaved.set(due.key, mine);
    const save = async () => {
      // Else taken by a request, or the next outage brought newer ones.
      const isMine = () => this.#unsaved.get(due.key) === mine;
      if (isMine() && performance.now() < until) await this.#save(due, held, next, until);
      if (isMine()) this.#unsaved.delete(due.key);
    };
    setTimeout(() => void save().catch(() => undefined), TRY_AGAIN_MS).unref();
  }
}

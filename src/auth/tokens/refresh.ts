// Refreshes the access token before it expires: once per session, however many requests, processes
// and machines see that it is due. AuthKit rotates refresh tokens, and reuse of an old one may revoke
// the whole grant (RFC 9700 §4.14.2).
// In order: refreshIfDue -> one promise per process -> one lease for all instances -> refresh
// request (RFC 6749 §6) -> compare-and-set.
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
import { GrantRefusal, isConfigError, recordRefusal, toRefusal } from './refusals.ts';
import type { Refusals } from './refusals.ts';
import { isForSameUser, isDue, isTokenResponse, malformedMembers, toTokens } from './token-set.ts';
import type { Tokens } from './token-set.ts';

/** The current facts; why the session continues without new ones; or that it has ended. */
type Outcome = Pick<Tokens, 'facts'> | { failed: SignInError } | 'ended';

/** A session whose access token is due for a refresh. */
interface Due extends SessionId {
  user: User;
  /** The version of the token record that was found to be due. */
  version: number;
  recheckAt: number;
}

/** Tokens of another user, or for another application, end the session. */
const IDENTITY_ERRORS = new Set<SignInErrorCode>(['id_token_invalid', 'user_mismatch']);

const RETRY_SAVE_MS = 200;
const UNSAVED_MS = 600_000;

export class Refresher {
  readonly #context: Context;
  readonly #backoff = new Backoff();
  /** The refreshes in progress in this process, by session key. */
  readonly #running = new Map<string, Promise<Outcome>>();
  readonly #refusals: Refusals = new LRUCache({ max: 1_000 });
  /** Refreshed tokens that could not be saved, by session key; they replace version `from`. */
  readonly #unsaved = new Map<string, Tokens & { from: number }>();

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Refreshes the token set of the request's session if it is due. Resolves to 'fresh'; to 'ended'
   * when the session is over; to the SignInError when the refresh failed or has to wait. Never
   * rejects.
   */
  async refreshIfDue(req: Pick<Request, 'authSession'>): Promise<'fresh' | 'ended' | SignInError> {
    const { stored, current } = req.authSession ?? {};
    if (!stored || !current || !isDue(current.facts, stored.recheckAt)) return 'fresh';
    const retryAfter = this.#backoff.remaining(stored.key);
    if (retryAfter !== undefined) return new SignInError('issuer_unreachable', { retryAfter });
    const outcome = await this.#refreshOnce({ ...stored, user: current.user });
    if (outcome === 'ended') return 'ended';
    if ('failed' in outcome) return outcome.failed;
    setFacts(req, outcome.facts);
    return 'fresh';
  }

  /** Resolves once no refresh is in progress in this process. */
  async settled(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** Requests of this process that find the same session due share one refresh. */
  #refreshOnce(due: Due): Promise<Outcome> {
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

  /** Runs while holding the lease. */
  async #refresh(due: Due): Promise<Outcome> {
    const record = await this.#context.store.readTokens(due);
    if (!record) return 'ended';
    // The store decides, not this request's copy: an earlier lease holder may have refreshed it.
    if (record.version > due.version || !isDue(record.facts, due.recheckAt))
      return { facts: record.facts };
    let next: Tokens;
    try {
      next = this.#takeUnsaved(due.key, record.version) ?? (await this.#requestTokens(due, record));
    } catch (cause) {
      return this.#handleFailure(due, record, cause);
    }
    return this.#save(due, record, next);
  }

  /**
   * The refresh request (RFC 6749 §6; OpenID Connect Core §12). Once the response has a refresh
   * token, ours is spent: the new one is kept even if other members are malformed, but not if they
   * are about another user or application.
   */
  async #requestTokens({ key, user }: Due, record: StoredTokens): Promise<Tokens> {
    const { issuer, clientId, scope, resource, onEvent } = this.#context;
    const { observedBy } = await issuer.whenDiscovered();
    // Without `resource` in this request too, AuthKit uses the default audience (RFC 8707 §2.2).
    const parameters = resource !== undefined ? { resource } : undefined;
    let response: { status: number; body: unknown } | undefined;
    const requestedAt = Date.now();
    const observed = observedBy((status, body) => (response = { status, body }));
    const { refreshToken = '' } = record.tokens;
    const libraryError: unknown = await refreshTokenGrant(observed, refreshToken, parameters).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    const isSuccess = response && response.status >= 200 && response.status < 300;
    const body = isSuccess ? response?.body : undefined;
    if (!isTokenResponse(body)) {
      if (isConfigError(response?.body))
        onEvent({ event: 'client_refused', code: toSignInError(libraryError).code });
      const refusal = response && toRefusal(response.status, response.body, libraryError);
      throw refusal ?? libraryError ?? new SignInError('response_invalid');
    }
    this.#backoff.reset(key);
    this.#refusals.delete(key);
    const next = toTokens(body, user.issuer, scope, record);
    // News that arrives while AuthKit responds is news since these tokens.
    next.facts.obtainedAt = requestedAt;
    if (!isForSameUser(user, clientId, body, next.tokens.accessToken)) {
      void revokeRefreshToken(this.#context, next.tokens);
      throw new SignInError('user_mismatch');
    }
    const members = malformedMembers(body, libraryError !== undefined);
    if (members !== '') onEvent({ event: 'refresh_response_malformed', sub: user.sub, members });
    return next;
  }

  /** Saves by compare-and-set: a sign-out wins, and so does a faster instance. */
  async #save(due: Due, record: StoredTokens, next: Tokens, until?: number): Promise<Outcome> {
    const { store, onEvent } = this.#context;
    const { sub, issuer } = due.user;
    const write = store.replaceTokens(due, record.version, next, issuer);
    const isSaved = await write.catch((cause: unknown) => {
      this.#saveLater(due, record, next, until);
      throw cause;
    });
    if (!isSaved) {
      const outcome = (await this.#changeSince(due, record)) ?? 'ended';
      // Signed out during the refresh: revoke the new refresh token, which no session has. Only
      // then, since this revokes its whole chain, including what a faster instance has just saved.
      if (outcome === 'ended') void revokeRefreshToken(this.#context, next.tokens);
      return outcome;
    }
    const [from, to] = [record.facts.orgId, next.facts.orgId];
    if (from !== to) onEvent({ event: 'organization_changed', sub, from, to });
    onEvent({ event: 'tokens_refreshed', sub, version: record.version + 1 });
    return { facts: next.facts };
  }

  /** Decides what a failed refresh means for the session: it continues or ends. */
  async #handleFailure(due: Due, record: StoredTokens, cause: unknown): Promise<Outcome> {
    const { records, onEvent } = this.#context;
    const { sub } = due.user;
    const error = toSignInError(cause);
    const { code } = error;
    const reason = this.#endReason(due.key, cause, code);
    if (!reason) {
      const retryInSeconds =
        cause instanceof GrantRefusal
          ? this.#backoff.delaySession(due.key)
          : this.#backoff.onOutage(due.key, sub, isConnectionFailure(cause), secondsToWait(error));
      onEvent({ event: 'refresh_failed', sub, code, retryInSeconds }, error);
      return { failed: error };
    }
    // The cause of a refusal may be a sign-out, or a faster instance that spent the refresh token.
    const outcome = await this.#changeSince(due, record);
    if (outcome) return outcome;
    onEvent({ event: 'refresh_failed', sub, code }, error);
    await records.remove(due.key).catch(storeFailure);
    onEvent({ event: 'session_ended', sub, reason });
    return 'ended';
  }

  /** Why this failure ends the session; undefined if it does not. */
  #endReason(key: string, cause: unknown, code: SignInErrorCode): SessionEnd | undefined {
    if (IDENTITY_ERRORS.has(code)) return 'identity_changed';
    if (!(cause instanceof GrantRefusal)) return undefined;
    if (cause.isFinal) return 'grant_ended';
    return recordRefusal(this.#refusals, key) ? 'grant_refused' : undefined;
  }

  /** What happened to the session since its tokens were read; undefined if nothing did. */
  async #changeSince(due: Due, record: StoredTokens): Promise<Outcome | undefined> {
    const now = await this.#context.store.readTokens(due);
    if (!now) return 'ended';
    return now.version > record.version ? { facts: now.facts } : undefined;
  }

  #takeUnsaved(key: string, from: number): Tokens | undefined {
    const found = this.#unsaved.get(key);
    this.#unsaved.delete(key);
    return found?.from === from ? found : undefined;
  }

  /**
   * AuthKit issues tokens once and those they replace are spent, so a store outage between its
   * response and our write must not lose them. They stay in memory for ten minutes at most, and are
   * saved as soon as the store responds.
   */
  #saveLater(due: Due, record: StoredTokens, next: Tokens, until = performance.now() + UNSAVED_MS) {
    const unsaved = { ...next, from: record.version };
    this.#unsaved.set(due.key, unsaved);
    const save = async () => {
      // If not, a request has taken them, or newer ones have replaced them.
      const isUnsaved = () => this.#unsaved.get(due.key) === unsaved;
      if (isUnsaved() && performance.now() < until) await this.#save(due, record, next, until);
      if (isUnsaved()) this.#unsaved.delete(due.key);
    };
    setTimeout(() => void save().catch(() => undefined), RETRY_SAVE_MS).unref();
  }
}

// express-session, started by the first use of `req.session`. Most requests of a signed-in person
// only ask who they are, and that is read already; what express-session does to notice a change
// (parse and sign the cookie, compare the session's JSON, wrap the end of the answer) cost them as
// much as everything else of sign-in together.
// Its one limit: who uses `req.session` for the first time in a hook of their own around `res.end`
// does so behind the place where express-session saves.
import type { Request, RequestHandler, Response } from 'express';
import type { SealedSessionStore } from './session-store.ts';

export interface SessionOnUse {
  /**
   * Lets a request have `req.session` when it wants to: read or changed, and saved at the end of the
   * answer, as with express-session itself in this place.
   */
  give(req: Request, res: Response): void;
  /** Whether `req.session` is from here. */
  isGiven(req: Request): boolean;
}

/** What express-session puts on a request. */
const PROPERTIES = ['session', 'sessionID', 'sessionStore'] as const;

/** `start` is express-session on this store. */
export function createSessionOnUse(start: RequestHandler, store: SealedSessionStore): SessionOnUse {
  const given = new WeakMap<Request, Response>();

  // The same functions for all requests: with some of its own each would be another kind of object.
  const propertyOf = (
    name: (typeof PROPERTIES)[number],
  ): PropertyDescriptor & ThisType<Request> => ({
    configurable: true,
    get() {
      const req = ownerOf(this);
      if (req) begin(req);
      return req?.[name];
    },
    set(value: unknown) {
      become(this, name, value);
    },
  });
  const properties = Object.fromEntries(PROPERTIES.map((name) => [name, propertyOf(name)]));

  /** `Object.create(req)` has the session of the request that it is made from. */
  function ownerOf(req: Request): Request | undefined {
    let owner: Request | null = req;
    while (owner && !given.has(owner)) owner = Object.getPrototypeOf(owner) as Request | null;
    return owner ?? undefined;
  }

  /** Nothing is waited for, since the store answers with what this request has read. */
  function begin(req: Request): void {
    const res = given.get(req);
    const isReplaced = isPlain(req, 'session');
    // From here on they are properties like any other, which express-session fills.
    for (const name of PROPERTIES) if (!isPlain(req, name)) become(req, name, undefined);
    if (!res || isReplaced) return;
    let failure: unknown;
    let hasBegun = false;
    const { storedSession, headers } = req;
    const { cookie } = headers;
    // Whatever became of the header meanwhile: a session is ended and saved under the id it was read
    // by, or who signs out would end another one.
    if (storedSession) headers.cookie = storedSession.cookie;
    store.openAsRead(storedSession, () => {
      void start(req, res, (error?: unknown) => {
        if (!hasBegun) failure = error;
        // express-session calls this again when it cannot save at the end of the answer.
        else if (error) req.next?.(error);
      });
    });
    hasBegun = true;
    if (cookie === undefined) delete headers.cookie;
    else headers.cookie = cookie;
    if (failure) throw failure;
  }

  return {
    give(req, res) {
      given.set(req, res);
      Object.defineProperties(req, properties);
    },
    isGiven: (req) => given.has(req),
  };
}

const isPlain = (req: Request, name: string) =>
  Object.getOwnPropertyDescriptor(req, name)?.get === undefined;

function become(req: Request, name: string, value: unknown): void {
  const plain = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(req, name, plain);
}

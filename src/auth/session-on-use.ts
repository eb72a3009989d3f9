// express-session, started by the first use of `req.session`. Most requests of a signed-in person
// only ask who they are, and that is read already; what express-session does to notice a change
// (parse and sign the cookie, compare the session's JSON, wrap the end of the answer) cost them as
// much as everything else of sign-in together.
import type { Request, RequestHandler, Response } from 'express';
import type { SealedSessionStore } from './session-store.ts';

export interface SessionOnUse {
  /**
   * Lets a request have `req.session` when it wants to: read or changed, and saved at the end of the
   * answer, as with express-session itself in this place.
   */
  give(req: Request): void;
  /** Whether `req.session` is from here: not yet used, or started with this store. */
  isGiven(req: Request): boolean;
}

/** `start` is express-session on this store. */
export function createSessionOnUse(start: RequestHandler, store: SealedSessionStore): SessionOnUse {
  const property: PropertyDescriptor & ThisType<Request> = {
    configurable: true,
    get() {
      // From here on it is a property like any other, which express-session fills.
      become(this, undefined);
      if (!this.res) return undefined;
      return begin(this, this.res);
    },
    set(value: unknown) {
      become(this, value);
    },
  };
  /** Nothing is waited for, since the store answers with what this request has read. */
  function begin(req: Request, res: Response): Request['session'] {
    let failure: unknown;
    let hasBegun = false;
    store.openAsRead(req.storedSession, () => {
      void start(req, res, (error?: unknown) => {
        if (!hasBegun) failure = error;
        // express-session calls this again when it cannot save at the end of the answer.
        else if (error) req.next?.(error);
      });
    });
    hasBegun = true;
    if (failure) throw failure;
    return req.session;
  }

  return {
    give: (req) => void Object.defineProperty(req, 'session', property),
    isGiven(req) {
      const { sessionStore }: { sessionStore?: unknown } = req;
      const own = Object.getOwnPropertyDescriptor(req, 'session');
      return own?.get === property.get || sessionStore === store;
    },
  };
}

function become(req: Request, value: unknown): void {
  const plain = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(req, 'session', plain);
}

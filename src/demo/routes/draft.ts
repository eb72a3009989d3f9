// A page that keeps a visitor's draft of a request in `req.session`. The draft survives signing in
// and is deleted by signing out.
import { Router, urlencoded, type Request } from 'express';
import {
  rejectForeignOrigin,
  rejectOtherPerson,
  SignInError,
  type Auth,
} from '../../auth/index.ts';
import { PageError } from '../errors.ts';

declare module 'express-session' {
  interface SessionData {
    draft?: string;
  }
}

const MAX_LENGTH = 2_000;

/** GET /draft and POST /draft: the only routes of the demo that use `req.session`. */
export function draftRoutes(auth: Auth, baseUrl: URL): Router {
  const router = Router();
  // One character takes up to nine bytes: three in UTF-8, each sent as %XX.
  const form = urlencoded({ extended: false, limit: '20kb', parameterLimit: 2 });

  router.get('/draft', auth.hostSession, (req, res) => {
    const { draft = '' } = req.session;
    const isSaved = draft !== '' && req.query['draft'] === 'kept';
    const isDiscarded = draft === '' && req.query['draft'] === 'discarded';
    const notice = isSaved ? 'Draft saved.' : isDiscarded ? 'Draft discarded.' : undefined;
    res.render('draft', { draft, longest: MAX_LENGTH, notice });
  });

  router.post(
    '/draft',
    rejectForeignOrigin(baseUrl),
    rejectOtherPerson,
    form,
    auth.hostSession,
    async (req, res) => {
      const draft = draftIn(req);
      if (draft !== (req.session.draft ?? '')) {
        if (draft === '') delete req.session.draft;
        else req.session.draft = draft;
        await saveSession(req);
      }
      res.redirect(303, `/draft?draft=${draft === '' ? 'discarded' : 'kept'}`);
    },
  );
  return router;
}

/** @throws PageError `request_invalid`, `body_too_large` */
function draftIn({ body }: Request): string {
  const { draft, action } = (body ?? {}) as { draft?: unknown; action?: unknown };
  if (action === 'discard') return '';
  if (typeof draft !== 'string') throw new PageError('request_invalid');
  // A form sends each line break as two characters, but the page's maxlength counts it as one.
  const text = draft.replaceAll('\r\n', '\n');
  if (text.length > MAX_LENGTH) throw new PageError('body_too_large');
  return text.trim() === '' ? '' : text;
}

/**
 * Saves before the response, so that the page never reports a draft as saved that is not.
 * @throws SignInError `store_unavailable`
 */
function saveSession({ session }: Request): Promise<void> {
  return new Promise((resolve, reject) => {
    session.save((cause: unknown) => {
      if (cause) reject(new SignInError('store_unavailable', { cause }));
      else resolve();
    });
  });
}

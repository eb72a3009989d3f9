// AuthKit's webhooks end sessions of this app. This file is yours: an update of the copy leaves it as
// it is.
import type { RequestHandler } from 'express';
import { webhook } from '../../events/index.ts';
import { env } from './env.ts';
import { opened } from './setup.ts';

async function open() {
  const { auth, records } = await opened;
  return webhook({
    // Two during a rotation, separated by a comma.
    secrets: env('WORKOS_WEBHOOK_SECRET').split(/,\s*/),
    sessions: auth,
    leases: records,
    // Your log: what happened, never a signature.
    onEvent: (event) => console.log(event),
  });
}

const route = open();
route.catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});

/** Mount it before any body parser: the signature covers the bytes of the body. */
export const webhooks: RequestHandler = async (req, res, next) => (await route)(req, res, next);

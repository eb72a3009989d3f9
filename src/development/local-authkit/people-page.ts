// The page of people, for developers: what the WorkOS dashboard can do to a person, one button each.

import { Router, urlencoded, type RequestHandler } from 'express';
import { z } from 'zod';
import type { Environment } from './environment.ts';
import { PERMISSIONS, roleOf } from './people.ts';
import type { PersonChanges } from './person-changes.ts';
import { sendError, sendScreen } from './screens.ts';
import { isOwnPage } from './sign-out.ts';

const PATH = '/_control/people';

const form = z.object({
  change: z.enum(['delete', 'rename', 'promote', 'demote', 'leave', 'restore']),
  sub: z.string().default(''),
  organization: z.string().default(''),
  givenName: z.string().trim().max(100).default(''),
});

/** Returns GET and POST /_control/people. */
export function createPeoplePage(environment: Environment, changes: PersonChanges): Router {
  const show: RequestHandler = (_req, res) => {
    const people = environment.people.map((person) => ({
      ...person,
      organizations: person.organizations.map((each) => ({ ...each, role: roleOf(each) })),
    }));
    const isChanged = environment.state.people.size > 0;
    return sendScreen(res, 200, 'people', { people, isChanged });
  };
  const change: RequestHandler = (req, res) => {
    const input = form.safeParse(req.body);
    if (!isOwnPage(req)) return sendError(res, 403, 'cross_site');
    if (!input.success) return sendError(res, 400, 'invalid_choice');
    const { sub, organization, givenName } = input.data;
    const reader = PERMISSIONS.filter((permission) => permission !== 'posts:moderate');
    const actions = {
      delete: () => changes.deletePerson({ sub }),
      rename: () => givenName !== '' && changes.renamePerson({ sub, givenName }),
      promote: () => changes.setPermissions({ sub, organization, permissions: PERMISSIONS }),
      demote: () => changes.setPermissions({ sub, organization, permissions: reader }),
      leave: () => changes.removeMembership({ sub, organization }),
      restore: () => changes.restorePeople(),
    };
    actions[input.data.change]();
    return res.redirect(303, PATH);
  };
  return Router()
    .get(PATH, show)
    .post(PATH, urlencoded({ extended: false }), change);
}

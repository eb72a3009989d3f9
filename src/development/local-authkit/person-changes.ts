// What the WorkOS dashboard can do to a person: each change takes effect here, as at AuthKit, and is
// sent to the application as a webhook.

import { endConsents, revokeChain } from './consents.ts';
import type { Environment } from './environment.ts';
import { roleOf, type Membership, type Person } from './people.ts';
import type { PersonChange } from './state-file.ts';
import type { Webhooks } from './webhooks.ts';

type InOrganization = { sub: string; organization: string };

export type PersonChanges = ReturnType<typeof createPersonChanges>;

/** Returns the changes. Each does nothing for a person or a membership that does not exist. */
export function createPersonChanges(environment: Environment, webhooks: Webhooks) {
  const { state } = environment;
  const send: Webhooks['send'] = (type, data) => webhooks.send(type, data);

  function change(sub: string, next: PersonChange): void {
    state.people.set(sub, { ...state.people.get(sub), ...next });
    state.changed();
  }

  /** Of the local AuthKit: it would know nobody by this id at the next authorization request. */
  function endSessions(sub: string): void {
    for (const [name, { accountId }] of state.records.live())
      if (name.startsWith('Session:') && accountId === sub) state.records.delete(name);
  }

  function changeMembership({ sub, organization }: InOrganization, to: readonly string[] | null) {
    const memberships = { ...state.people.get(sub)?.memberships, [organization]: to };
    change(sub, { memberships });
  }

  function find({ sub, organization }: InOrganization) {
    const person = environment.findPerson(sub);
    const membership = person?.organizations.find(({ id }) => id === organization);
    return person && membership && { person, membership };
  }

  return {
    /** Deletes the person: every session and grant ends. */
    deletePerson({ sub }: { sub: string }): void {
      const person = environment.findPerson(sub);
      if (!person) return;
      endSessions(sub);
      change(sub, { isDeleted: true });
      endConsents(environment, sub);
      send('user.deleted', toUser(person));
    },
    /** Changes the person's given name. */
    renamePerson({ sub, givenName }: { sub: string; givenName: string }): void {
      if (!environment.findPerson(sub)) return;
      change(sub, { givenName });
      const person = environment.findPerson(sub);
      if (person) send('user.updated', toUser(person));
    },
    /** Gives the person's role in an organization these permissions. */
    setPermissions(input: InOrganization & { permissions: readonly string[] }): void {
      if (!find(input)) return;
      changeMembership(input, input.permissions);
      const found = find(input);
      if (found) send('organization_membership.updated', toMembership(environment, found));
    },
    /** Removes the person from an organization: the grants in it end. */
    removeMembership(input: InOrganization): void {
      const found = find(input);
      if (!found) return;
      changeMembership(input, null);
      for (const [grantId, { sub, orgId }] of state.authorizations.live()) {
        if (sub === input.sub && orgId === input.organization) revokeChain(environment, grantId);
      }
      send('organization_membership.deleted', toMembership(environment, found));
    },
    /** Undoes all of these changes; grants that have ended stay ended. */
    restorePeople(): void {
      state.people.clear();
      state.changed();
    },
  };
}

function toUser({ sub, email, givenName, familyName }: Person) {
  const names = { first_name: givenName, last_name: familyName };
  return { object: 'user', id: sub, email, email_verified: true, ...names, ...timestamps() };
}

function toMembership(
  { state }: Environment,
  { person, membership }: { person: Person; membership: Membership },
) {
  return {
    object: 'organization_membership',
    id: state.id('om', `${person.sub} ${membership.id}`),
    user_id: person.sub,
    organization_id: membership.id,
    status: 'active',
    role: { slug: roleOf(membership) },
    ...timestamps(),
  };
}

const timestamps = () => ({
  created_at: '2026-01-01T00:00:00.000Z',
  updated_at: new Date().toISOString(),
});

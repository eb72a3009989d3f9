// The people who can sign in: with no organization, one, and three. AuthKit asks which organization
// to use only if there are several; without an organization, tokens have no `org_id`.
// Add your own people here; their ids are created at the first start.

import type { State } from './state-file.ts';

export interface Organization {
  id: string;
  name: string;
}

export interface Membership extends Organization {
  /** Slugs of the permissions that the person's role has in this organization. */
  permissions: readonly string[];
}

export interface Person {
  sub: string;
  name: string;
  givenName: string;
  familyName: string;
  email: string;
  organizations: readonly Membership[];
}

/** The permissions of this environment; any scope beyond these and the built-in ones is invalid. */
export const PERMISSIONS = ['posts:read', 'posts:moderate'] as const;

/** Returns the people of this environment. */
export function createPeople(state: State): readonly Person[] {
  const member = (key: string, name: string, permissions: readonly string[]): Membership => ({
    id: state.id('org', key),
    name,
    permissions,
  });
  const person = (givenName: string, familyName: string, organizations: Membership[]): Person => ({
    sub: state.id('user', givenName),
    name: `${givenName} ${familyName}`,
    givenName,
    familyName,
    email: `${givenName}.${familyName}@example.com`.toLowerCase(),
    organizations,
  });
  return [
    person('Ada', 'Lindqvist', []),
    person('Bruno', 'Okafor', [member('harbour', 'Harbour Books', PERMISSIONS)]),
    person('Chiara', 'Fontana', [
      member('kiln', 'Blue Kiln Studio', PERMISSIONS),
      member('meridian-north', 'Meridian Labs', ['posts:read']),
      // Two organizations share a name on purpose: a name does not identify an organization.
      member('meridian-south', 'Meridian Labs', []),
    ]),
  ];
}

/** The people as they are after the changes that the page of people made. */
export function withChanges(people: readonly Person[], { people: changes }: State): Person[] {
  return people.flatMap((person) => {
    const { isDeleted, givenName = person.givenName, memberships } = changes.get(person.sub) ?? {};
    if (isDeleted) return [];
    const organizations = person.organizations.flatMap((membership) => {
      const permissions = memberships?.[membership.id];
      if (permissions === null) return [];
      return [permissions ? { ...membership, permissions } : membership];
    });
    const name = `${givenName} ${person.familyName}`;
    return [{ ...person, givenName, name, organizations }];
  });
}

/** The slug of the role that has these permissions. */
export const roleOf = ({ permissions }: Membership) =>
  permissions.includes('posts:moderate') ? 'moderator' : 'member';

/** Claims of the ID token and of UserInfo; oidc-provider filters them by the granted scopes. */
export function claimsOf({ sub, name, givenName, familyName, email }: Person) {
  return {
    sub,
    name,
    given_name: givenName,
    family_name: familyName,
    email,
    email_verified: true,
  };
}

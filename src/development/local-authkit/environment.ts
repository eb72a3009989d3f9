// One environment of the local AuthKit: everything its endpoints share.

import { createApplications, type Application, type Applications } from './applications.ts';
import { createPeople, PERMISSIONS, type Person } from './people.ts';
import type { State } from './state-file.ts';

/** Scopes that every application may ask for, in the words of the consent screen. */
export const BUILT_IN_SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'Read your name',
  email: 'Read your e-mail address',
  offline_access: 'Keep access while you are away',
};

export interface Switches {
  endSession: boolean;
  revocation: boolean;
  /** Resource indicators that may become the audience (RFC 8707); none: `resource` is ignored. */
  resources: readonly string[];
  /** For this many seconds a spent refresh token still returns tokens. */
  replaySeconds: number;
}

export interface Environment extends Switches {
  issuer: string;
  /** Audience of access tokens: all applications of an environment share it. */
  clientId: string;
  state: State;
  people: readonly Person[];
  applications: Applications;
  redirectUris: readonly string[];
  postLogoutRedirectUris: readonly string[];
  /** Lifetime of the access tokens of people that are issued from now on. */
  accessTokenSeconds: number;
  findPerson(sub: string | undefined): Person | undefined;
  findApplication(clientId: string | undefined): Application | undefined;
}

type Fixed = Omit<
  Environment,
  'clientId' | 'people' | 'applications' | 'findPerson' | 'findApplication' | 'accessTokenSeconds'
>;

/** AuthKit's access tokens live five minutes. */
export const ACCESS_TOKEN_SECONDS = 300;

export function createEnvironment(fixed: Fixed): Environment {
  const people = createPeople(fixed.state);
  const applications = createApplications(fixed.state);
  return {
    ...fixed,
    clientId: fixed.state.id('client', 'environment'),
    people,
    applications,
    accessTokenSeconds: ACCESS_TOKEN_SECONDS,
    findPerson: (sub) => people.find((person) => person.sub === sub),
    findApplication: (clientId) =>
      Object.values(applications).find((application) => application.clientId === clientId),
  };
}

/** Whether the environment knows this scope at all. */
export function isKnownScope(scope: string): boolean {
  return (
    Object.hasOwn(BUILT_IN_SCOPES, scope) || PERMISSIONS.some((permission) => permission === scope)
  );
}

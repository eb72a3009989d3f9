// One environment of the local AuthKit: the data that all its endpoints share.

import { createApplications, type Application, type Applications } from './applications.ts';
import { createPeople, PERMISSIONS, withChanges, type Person } from './people.ts';
import type { State } from './state-file.ts';

/** Scopes that every application may request, with their text on the consent screen. */
export const BUILT_IN_SCOPES: Readonly<Record<string, string>> = {
  openid: 'Know who you are',
  profile: 'Read your name',
  email: 'Read your e-mail address',
  offline_access: 'Keep access while you are away',
};

export interface Switches {
  endSession: boolean;
  revocation: boolean;
  /** Resource indicators allowed as the audience (RFC 8707); if empty, `resource` is ignored. */
  resources: readonly string[];
  /** Seconds during which a used refresh token still works. */
  replaySeconds: number;
  /** Where webhooks are sent; default: nowhere. */
  webhookUrl?: string;
  /** Where sign-outs send logout tokens; default: nowhere, as at AuthKit. */
  backchannelLogoutUri?: string;
}

export interface Environment extends Switches {
  issuer: string;
  /** The audience of access tokens, shared by all applications of the environment. */
  clientId: string;
  state: State;
  people: readonly Person[];
  applications: Applications;
  redirectUris: readonly string[];
  postLogoutRedirectUris: readonly string[];
  /** Lifetime of access tokens issued to people from now on. */
  accessTokenSeconds: number;
  findPerson(sub: string | undefined): Person | undefined;
  findApplication(clientId: string | undefined): Application | undefined;
}

type EnvironmentOptions = Omit<
  Environment,
  'clientId' | 'people' | 'applications' | 'findPerson' | 'findApplication' | 'accessTokenSeconds'
>;

/** AuthKit's access tokens are valid for five minutes. */
export const ACCESS_TOKEN_SECONDS = 300;

export function createEnvironment(options: EnvironmentOptions): Environment {
  const { state } = options;
  const atFirst = createPeople(state);
  const applications = createApplications(state);
  return {
    ...options,
    clientId: state.id('client', 'environment'),
    get people() {
      return withChanges(atFirst, state);
    },
    applications,
    accessTokenSeconds: ACCESS_TOKEN_SECONDS,
    findPerson: (sub) => withChanges(atFirst, state).find((person) => person.sub === sub),
    findApplication: (clientId) =>
      Object.values(applications).find((application) => application.clientId === clientId),
  };
}

/** Whether this scope exists in the environment. */
export function isKnownScope(scope: string): boolean {
  return (
    Object.hasOwn(BUILT_IN_SCOPES, scope) || PERMISSIONS.some((permission) => permission === scope)
  );
}

// Determines what an authorization grants: the application, the organization and the scopes.
// There is one consent per person, application and organization; its id is the `sid` of access
// tokens. Each authorization has its own grant: revoking a refresh token at AuthKit ends that
// token's rotation chain and leaves the person's other devices signed in.

import type { Grant, InteractionResults, KoaContextWithOIDC } from 'oidc-provider';
import type { Application } from './applications.ts';
import { BUILT_IN_SCOPES, type Environment } from './environment.ts';
import { ulid } from './identifiers.ts';
import type { Membership, Person } from './people.ts';
import type { Consent } from './state-file.ts';

/** What is known before the authorization response, and the question still to be asked. */
export interface Decision {
  question?: 'organization' | 'consent';
  person: Person;
  application: Application;
  organization?: Membership;
  /** The requested scopes, without permissions that the application or the role lacks. */
  scopes: readonly string[];
}

/** As long as the longest session of an application. */
export const GRANT_SECONDS = 30 * 86_400;

/** Decides by the signed-in person, the request and the choices made on the screens so far. */
export function decide(environment: Environment, ctx: KoaContextWithOIDC): Decision | undefined {
  const { session, client, result, requestParamScopes } = ctx.oidc;
  const person = environment.findPerson(session?.accountId);
  const application = environment.findApplication(client?.clientId);
  if (!person || !application) return undefined;
  const organization = chosenOrganization(person, result);
  const scopes = [...requestParamScopes].filter(
    (scope) =>
      Object.hasOwn(BUILT_IN_SCOPES, scope) ||
      (application.permissions.includes(scope) && organization?.permissions.includes(scope)),
  );
  const decision = { person, application, scopes, ...(organization && { organization }) };
  if (!organization && person.organizations.length > 1) {
    return { ...decision, question: 'organization' };
  }
  const known = findConsent(environment, decision)?.scopes ?? [];
  if (!application.isFirstParty && !scopes.every((scope) => known.includes(scope))) {
    return { ...decision, question: 'consent' };
  }
  return decision;
}

function chosenOrganization(person: Person, choices: InteractionResults | undefined) {
  const [first, ...others] = person.organizations;
  if (others.length === 0) return first;
  return person.organizations.find(({ id }) => id === choices?.['organization']);
}

type Parties = Pick<Decision, 'person' | 'application' | 'organization'>;

function findConsent(environment: Environment, { person, application, organization }: Parties) {
  const consents = environment.state.consents.live().map(([, consent]) => consent);
  return consents.find(
    ({ sub, clientId, orgId }) =>
      sub === person.sub && clientId === application.clientId && orgId === organization?.id,
  );
}

/** Adds these scopes to those that the person has already allowed. */
export function recordConsent(environment: Environment, decision: Decision): Consent {
  const before = findConsent(environment, decision);
  const consent: Consent = {
    id: before?.id ?? `app_consent_${ulid()}`,
    sub: decision.person.sub,
    clientId: decision.application.clientId,
    ...(decision.organization && { orgId: decision.organization.id }),
    scopes: [...new Set([...(before?.scopes ?? []), ...decision.scopes])],
  };
  environment.state.consents.set(consent.id, consent);
  return consent;
}

/** oidc-provider's `loadExistingGrant`: creates the grant once no question is pending. */
export async function grantAuthorization(
  environment: Environment,
  ctx: KoaContextWithOIDC,
): Promise<Grant | undefined> {
  if (ctx.oidc.promptPending('login')) return undefined;
  const decision = decide(environment, ctx);
  if (!decision || decision.question) return undefined;
  const { person, application, scopes } = decision;
  const { id, orgId } = recordConsent(environment, decision);
  const parties = { sub: person.sub, clientId: application.clientId };
  const grant = new ctx.oidc.provider.Grant({
    accountId: person.sub,
    clientId: application.clientId,
  });
  grant.addOIDCScope(scopes.filter((scope) => Object.hasOwn(BUILT_IN_SCOPES, scope)));
  for (const resource of Object.keys(ctx.oidc.resourceServers ?? {})) {
    grant.addResourceScope(resource, [...scopes]);
  }
  const authorization = { ...parties, consentId: id, ...(orgId !== undefined && { orgId }) };
  environment.state.authorizations.set(await grant.save(), authorization, GRANT_SECONDS);
  return grant;
}

/** Revokes one rotation chain: its refresh tokens and unused codes, not its access tokens. */
export function revokeChain({ state }: Environment, grantId: string): void {
  state.records.delete(`Grant:${grantId}`);
  for (const [key, record] of state.records.live()) {
    if (record.grantId === grantId) state.records.delete(key);
  }
}

/** Ends a person's consents to one application or to all, and revokes their tokens. */
export function endConsents(environment: Environment, sub: string, clientId?: string): void {
  const { state } = environment;
  const matches = (record: { sub: string; clientId: string }) =>
    record.sub === sub && (clientId === undefined || record.clientId === clientId);
  for (const [id, consent] of state.consents.live()) {
    if (matches(consent)) state.consents.delete(id);
  }
  for (const [grantId, authorization] of state.authorizations.live()) {
    if (!matches(authorization)) continue;
    revokeChain(environment, grantId);
    state.authorizations.delete(grantId);
  }
  for (const [jti, token] of state.issuedTokens.live()) {
    if (matches(token)) state.issuedTokens.delete(jti);
  }
}

// The screens between an authorization request and its response: sign in, choose an organization,
// consent. Each is a form of buttons; one click completes it.

import { urlencoded, Router, type Request, type Response } from 'express';
import type { InteractionResults, Provider } from 'oidc-provider';
import { recordConsent, type Decision } from './consents.ts';
import { BUILT_IN_SCOPES, type Environment } from './environment.ts';
import { sendError, sendScreen } from './screens.ts';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** Text on the consent screen for scopes that are permissions. */
const PERMISSION_LABELS: Readonly<Record<string, string>> = {
  'posts:read': 'Read posts',
  'posts:moderate': 'Edit and remove posts by others',
};

/** Returns the routes of the screens. */
export function createInteractions(environment: Environment, provider: () => Provider): Router {
  const router = Router();
  const path = '/oauth2/interaction/:uid';

  router.get(path, async (req, res) => {
    const interaction = await find(provider(), req, res);
    if (!interaction) return sendError(res, 400, 'session_expired');
    const { prompt, params } = interaction;
    const data = describe(environment, interaction);
    return sendScreen(res, 200, prompt.name, data, asText(params['redirect_uri']));
  });

  router.post(path, urlencoded({ extended: false }), async (req, res) => {
    const interaction = await find(provider(), req, res);
    if (!interaction) return sendError(res, 400, 'session_expired');
    const result = await settle(environment, provider(), interaction, req.body);
    if (!result) return sendError(res, 400, 'invalid_choice');
    return provider().interactionFinished(req, res, result);
  });

  return router;
}

async function find(provider: Provider, req: Request, res: Response) {
  try {
    return await provider.interactionDetails(req, res);
  } catch (error) {
    if (error instanceof Error && error.name === 'SessionNotFound') return undefined;
    throw error;
  }
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The data that a screen shows: the person, the application and the requested scopes. */
function describe(environment: Environment, interaction: Interaction) {
  const { session, params, prompt, lastSubmission } = interaction;
  const person = environment.findPerson(session?.accountId ?? lastSubmission?.login?.accountId);
  const application = environment.findApplication(asText(params['client_id']));
  const requested = prompt.details['scopes'];
  const scopes = Array.isArray(requested)
    ? requested.filter((scope) => typeof scope === 'string')
    : [];
  const chosen = lastSubmission?.['organization'];
  const organizations = person?.organizations ?? [];
  return {
    people: environment.people,
    person,
    application,
    organization:
      organizations.length > 1 ? organizations.find(({ id }) => id === chosen) : organizations[0],
    scopes,
    scopeLabels: scopes.map((scope) => BUILT_IN_SCOPES[scope] ?? PERMISSION_LABELS[scope] ?? scope),
  };
}

/** Turns the pressed button into oidc-provider's result; undefined if the screen lacks the button. */
async function settle(
  environment: Environment,
  provider: Provider,
  interaction: Interaction,
  form: Record<string, unknown> = {},
): Promise<InteractionResults | undefined> {
  const { person, application, organization, scopes } = describe(environment, interaction);
  switch (interaction.prompt.name) {
    case 'login': {
      const chosen = environment.findPerson(asText(form['person']));
      if (!chosen) return undefined;
      await endSession(provider, interaction);
      return { login: { accountId: chosen.sub } };
    }
    case 'organization': {
      const chosen = person?.organizations.find(({ id }) => id === form['organization']);
      return chosen && { organization: chosen.id };
    }
    case 'consent': {
      if (form['decision'] === 'deny') {
        return { error: 'access_denied', error_description: 'The user denied access' };
      }
      if (form['decision'] !== 'allow' || !person || !application) return undefined;
      const decision: Decision = { person, application, scopes };
      recordConsent(environment, { ...decision, ...(organization && { organization }) });
      return { consent: {} };
    }
    default:
      return undefined;
  }
}

/** Ends the previous session, so that a new sign-in inherits nothing from another person. */
async function endSession(provider: Provider, interaction: Interaction): Promise<void> {
  if (!interaction.session) return;
  const session = await provider.Session.find(interaction.session.cookie);
  await session?.destroy();
  interaction.session = undefined;
  await interaction.persist();
}

// The applications of this environment, one of each kind. At AuthKit, an application may have
// several secrets at once, a Public one has none, and a third-party one belongs to an organization.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { ClientMetadata } from 'oidc-provider';
import { PERMISSIONS, type Organization } from './people.ts';
import type { State } from './state-file.ts';

export interface Application {
  clientId: string;
  name: string;
  kind: 'web' | 'machine' | 'command-line';
  /** Third-party applications need consent and belong to an organization. */
  isFirstParty: boolean;
  /** All are valid at once, so that they can be rotated; a Public application has none. */
  secrets: readonly string[];
  permissions: readonly string[];
  organization?: Organization;
  logo?: { light: string; dark: string };
}

export type Applications = ReturnType<typeof createApplications>;

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/** Returns the applications of this environment. */
export function createApplications(state: State) {
  const define = (
    name: string,
    kind: Application['kind'],
    secretCount: number,
    more: Partial<Application> = {},
  ): Application => ({
    clientId: state.id('client', name),
    name,
    kind,
    isFirstParty: true,
    secrets: Array.from({ length: secretCount }, (_, index) => state.secret(`${name} ${index}`)),
    permissions: PERMISSIONS,
    ...more,
  });
  return {
    firstParty: define('Example web application', 'web', 2),
    publicApp: define('Example public application', 'web', 0),
    thirdParty: define('Ledgerly', 'web', 1, {
      isFirstParty: false,
      permissions: ['posts:read'],
      organization: { id: state.id('org', 'lantern'), name: 'Paper Lantern Ltd' },
      logo: { light: 'ledgerly-light.svg', dark: 'ledgerly-dark.svg' },
    }),
    machine: define('Example machine', 'machine', 1, {
      organization: { id: state.id('org', 'harbour'), name: 'Harbour Books' },
    }),
    commandLine: define('Example command line', 'command-line', 0),
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Whether this is one of the application's secrets; takes the same time for every input. */
export function hasSecret(application: Application, secret: string): boolean {
  const given = digest(secret);
  return application.secrets.filter((each) => timingSafeEqual(digest(each), given)).length > 0;
}

/** Describes an application to oidc-provider. */
export function toClientMetadata(
  app: Application,
  redirectUris: readonly string[],
  backchannelLogoutUri?: string,
): ClientMetadata {
  const [secret] = app.secrets;
  const common: ClientMetadata = {
    client_id: app.clientId,
    client_name: app.name,
    token_endpoint_auth_method: secret === undefined ? 'none' : 'client_secret_post',
    ...(secret === undefined ? {} : { client_secret: secret }),
    response_modes: ['query'],
  };
  if (app.kind === 'machine') {
    return { ...common, grant_types: ['client_credentials'], response_types: [] };
  }
  const grantTypes = ['authorization_code', 'refresh_token'];
  if (app.kind === 'web') {
    return {
      ...common,
      grant_types: grantTypes,
      redirect_uris: redirectUris,
      ...(backchannelLogoutUri !== undefined && {
        backchannel_logout_uri: backchannelLogoutUri,
        backchannel_logout_session_required: true,
      }),
    };
  }
  return {
    ...common,
    grant_types: [...grantTypes, DEVICE_CODE],
    // A native application may use any port of the loopback address (RFC 8252 §7.3).
    application_type: 'native',
    redirect_uris: ['http://127.0.0.1/callback'],
  };
}

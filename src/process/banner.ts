// The banner at start: what this process does, the URL to open, and values to copy.
import { issuerName } from '../config/urls.ts';
import type { LocalAuthKit } from '../development/local-authkit/start.ts';
import type { CompleteConfig } from './start.ts';

/** Returns the banner. `port` is the port in use; `local` is set if the local AuthKit runs. */
export function startLines(config: CompleteConfig, port: number, local?: LocalAuthKit): string {
  const { authKit, baseUrl } = config;
  const kind =
    authKit.clientSecret === undefined
      ? 'a Public application (PKCE, no secret)'
      : 'a confidential application (client secret)';
  const listening = new URL(baseUrl);
  listening.port = String(port);
  const lines = [
    '',
    // URL omits a scheme's default port on both sides of this comparison.
    `Open ${baseUrl.origin}${listening.host === baseUrl.host ? '' : ` (listening on port ${port})`}`,
    ...(local ? signInLines(local) : []),
    '',
    `  Issuer        ${issuerName(authKit.issuer)}${local ? issuerNote(local) : ''}`,
    `  Application   ${authKit.clientId}, ${kind}`,
    `  Redirect URI  ${new URL('/callback', baseUrl).href}`,
    ...(config.proxy ? [`  Proxy         ${new URL(config.proxy.url).host}`] : []),
    `  Sessions      ${storeOf(config)}`,
    `  API audience  ${config.apiAudience.join(', ')}`,
    ...(config.webhooks ? [`  Webhooks      ${new URL('/webhooks/authkit', baseUrl).href}`] : []),
    ...config.warnings.map((warning) => `  Warning       ${warning}`),
    '',
    '',
  ];
  return lines.join('\n');
}

function storeOf({ databaseUrl, redisUrl, sessionDb }: CompleteConfig): string {
  if (databaseUrl !== undefined) return 'PostgreSQL';
  return redisUrl === undefined ? `${sessionDb} (one machine)` : 'Redis';
}

function issuerNote({ takenPort }: LocalAuthKit): string {
  const port = takenPort === undefined ? '' : `; port ${takenPort} is taken, so it uses another`;
  return `  (the bundled local AuthKit${port})`;
}

function signInLines({ people, applications, issuer }: LocalAuthKit): string[] {
  const { commandLine, machine } = applications;
  return [
    `Sign in as ${people.map(describeUser).join(', ')}. There are no passwords.`,
    `To delete, demote or rename them: ${issuer}/_control/people`,
    `For examples/cli: CLI_CLIENT_ID=${commandLine.clientId}`,
    `To call the API as a machine: M2M_CLIENT_ID=${machine.clientId} M2M_CLIENT_SECRET=${machine.clientSecret}`,
  ];
}

function describeUser({ name, organizations }: LocalAuthKit['people'][number]): string {
  const count = organizations.length;
  return `${name} (${count === 0 ? 'no organization' : `${count} organization${count > 1 ? 's' : ''}`})`;
}

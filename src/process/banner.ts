// What a start prints, for a person: what this process will do, and what to open or paste where.
import type { LocalAuthKit } from '../development/local-authkit/start.ts';
import type { CompleteConfig } from './start.ts';

/** The lines to print, for the port that was got; `local` when the local AuthKit runs. */
export function startLines(config: CompleteConfig, port: number, local?: LocalAuthKit): string {
  const { authKit, baseUrl } = config;
  const kind =
    authKit.clientSecret === undefined
      ? 'a Public application (PKCE, no secret)'
      : 'a confidential application (client secret)';
  const here = new URL(baseUrl);
  here.port = String(port);
  const lines = [
    '',
    // A default port is written in neither of the two.
    `Open ${baseUrl.origin}${here.host === baseUrl.host ? '' : ` (listening on port ${port})`}`,
    ...(local ? whoCanSignIn(local) : []),
    '',
    `  Issuer        ${authKit.issuer.href.replace(/\/$/, '')}${local ? aboutIssuer(local) : ''}`,
    `  Application   ${authKit.clientId}, ${kind}`,
    `  Redirect URI  ${new URL('/callback', baseUrl).href}`,
    `  Sessions      ${config.redisUrl === undefined ? `${config.sessionDb} (one machine)` : 'Redis'}`,
    `  API audience  ${config.apiAudience.join(', ')}`,
    ...config.warnings.map((warning) => `  Warning       ${warning}`),
    '',
    '',
  ];
  return lines.join('\n');
}

function aboutIssuer({ takenPort }: LocalAuthKit): string {
  const port = takenPort === undefined ? '' : `; port ${takenPort} is taken, so it has another`;
  return `  (the bundled local AuthKit${port})`;
}

function whoCanSignIn({ people, applications }: LocalAuthKit): string[] {
  const { commandLine, machine } = applications;
  return [
    `Sign in as ${people.map(describePerson).join(', ')}; there are no passwords.`,
    `For examples/cli: CLI_CLIENT_ID=${commandLine.clientId}`,
    `For calls as a machine: M2M_CLIENT_ID=${machine.clientId} M2M_CLIENT_SECRET=${machine.clientSecret}`,
  ];
}

function describePerson({ name, organizations }: LocalAuthKit['people'][number]): string {
  const count = organizations.length;
  return `${name} (${count === 0 ? 'no organization' : `${count} organization${count > 1 ? 's' : ''}`})`;
}

// `npm run authkit`: runs only the local AuthKit, for an application that runs elsewhere.

import { parseArgs } from 'node:util';
import { LocalAuthKitError } from './errors.ts';
import { startLocalAuthKit, type LocalAuthKit } from './start.ts';

const HELP = `Usage: npm run authkit -- [options]

  --port <port>              default: the last port used, else 4000; another if it is taken
  --redirect-uri <uri>       redirect URI of the web applications; may be repeated
                             (default http://localhost:3000/callback)
  --post-logout-uri <uri>    post-logout redirect URI for --end-session; may be repeated
                             (default http://localhost:3000/signed-out)
  --resource <uri>           a supported resource indicator; may be repeated
  --state-file <file>        default .data/local-authkit.json
  --end-session              advertise an end_session endpoint
  --no-revocation            advertise no revocation endpoint
`;

function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

function introduce(authkit: LocalAuthKit): void {
  const { issuer, environmentClientId, applications, people, takenPort } = authkit;
  const { firstParty, publicApp, thirdParty, machine, commandLine } = applications;
  print(
    `Local AuthKit, for development: ${issuer}`,
    ...(takenPort === undefined ? [] : [`  (port ${takenPort} is taken; using another)`]),
    `  environment   ${environmentClientId}  (audience of access tokens)`,
    `  first-party   ${firstParty.clientId}  secrets ${firstParty.clientSecrets.join(' or ')}`,
    `  Public        ${publicApp.clientId}`,
    `  third-party   ${thirdParty.clientId}  secret ${thirdParty.clientSecret}`,
    `  machine       ${machine.clientId}  secret ${machine.clientSecret}`,
    `  command line  ${commandLine.clientId}`,
    'People who can sign in:',
    ...people.map(({ name, email, organizations }) => {
      const names = organizations.map((organization) => organization.name).join(', ');
      return `  ${name} <${email}>  ${names || 'no organization'}`;
    }),
    `Sign out of it at ${issuer}/oauth2/sign-out; its control API is at ${issuer}/_control`,
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      'redirect-uri': { type: 'string', multiple: true },
      'post-logout-uri': { type: 'string', multiple: true },
      resource: { type: 'string', multiple: true, default: [] },
      'state-file': { type: 'string', default: '.data/local-authkit.json' },
      'end-session': { type: 'boolean', default: false },
      'no-revocation': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(HELP);
  const authkit = await startLocalAuthKit({
    ...(values.port !== undefined && { port: Number(values.port) }),
    stateFile: values['state-file'],
    redirectUris: values['redirect-uri'] ?? ['http://localhost:3000/callback'],
    postLogoutRedirectUris: values['post-logout-uri'] ?? ['http://localhost:3000/signed-out'],
    resources: values.resource,
    endSession: values['end-session'],
    revocation: !values['no-revocation'],
  });
  introduce(authkit);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void authkit.close().then(() => process.exit(0)));
  }
}

try {
  await main();
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isUsage = /^ERR_(PARSE_ARGS|SOCKET_BAD_PORT)/.test(code);
  if (!(error instanceof Error) || !(isUsage || error instanceof LocalAuthKitError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

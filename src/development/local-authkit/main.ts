// `npm run authkit`: runs only the local AuthKit, for an application that runs elsewhere or, after
// `--`, as a command that it starts.

import { parseArgs } from 'node:util';
import { LocalAuthKitError } from './errors.ts';
import { baseUrlIn, runCommand } from './run-command.ts';
import { startLocalAuthKit, type LocalAuthKit } from './start.ts';

const HELP = `Usage: npm run authkit -- [options] [-- command]

The command starts your app, with the settings of the first-party application, BASE_URL and PORT.

  --port <port>              default: the last port used, else 4000; another if it is taken
  --redirect-uri <uri>       redirect URI of the web applications; may be repeated
                             (default /callback at BASE_URL, or at http://localhost:3000)
  --redirect-path <path>     the same, as a path at BASE_URL
  --post-logout-uri <uri>    post-logout redirect URI for --end-session; may be repeated
                             (default /signed-out there)
  --resource <uri>           a supported resource indicator; may be repeated
  --state-file <file>        default .data/local-authkit.json
  --end-session              advertise an end_session endpoint
  --no-revocation            advertise no revocation endpoint
`;

function print(...lines: string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** `isAlone`: the app is started elsewhere, and needs these settings. */
function introduce(authkit: LocalAuthKit, isAlone: boolean): void {
  const { issuer, people, takenPort } = authkit;
  print(
    `Local AuthKit, for development: ${issuer}`,
    ...(takenPort === undefined ? [] : [`  (port ${takenPort} is taken; using another)`]),
    ...(isAlone ? applicationLines(authkit) : []),
    'People who can sign in:',
    ...people.map(({ name, email, organizations }) => {
      const names = organizations.map((organization) => organization.name).join(', ');
      return `  ${name} <${email}>  ${names || 'no organization'}`;
    }),
    `Sign out of it at ${issuer}/oauth2/sign-out; its control API is at ${issuer}/_control`,
  );
}

function applicationLines({ environmentClientId, applications }: LocalAuthKit): string[] {
  const { firstParty, publicApp, thirdParty, machine, commandLine } = applications;
  return [
    `  environment   ${environmentClientId}  (audience of access tokens)`,
    `  first-party   ${firstParty.clientId}  secrets ${firstParty.clientSecrets.join(' or ')}`,
    `  Public        ${publicApp.clientId}`,
    `  third-party   ${thirdParty.clientId}  secret ${thirdParty.clientSecret}`,
    `  machine       ${machine.clientId}  secret ${machine.clientSecret}`,
    `  command line  ${commandLine.clientId}`,
  ];
}

async function main(argv: string[]): Promise<void> {
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  const command = argv.slice(end + 1);
  const { values } = parseArgs({
    args: argv.slice(0, end),
    options: {
      port: { type: 'string' },
      'redirect-uri': { type: 'string', multiple: true },
      'redirect-path': { type: 'string', default: '/callback' },
      'post-logout-uri': { type: 'string', multiple: true },
      resource: { type: 'string', multiple: true, default: [] },
      'state-file': { type: 'string', default: '.data/local-authkit.json' },
      'end-session': { type: 'boolean', default: false },
      'no-revocation': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(HELP);
  const baseUrl = baseUrlIn(process.env);
  const authkit = await startLocalAuthKit({
    ...(values.port !== undefined && { port: Number(values.port) }),
    stateFile: values['state-file'],
    redirectUris: values['redirect-uri'] ?? [new URL(values['redirect-path'], baseUrl).href],
    postLogoutRedirectUris: values['post-logout-uri'] ?? [new URL('/signed-out', baseUrl).href],
    resources: values.resource,
    endSession: values['end-session'],
    revocation: !values['no-revocation'],
    ...(command.length > 0 && { webhookUrl: new URL('/webhooks/authkit', baseUrl).href }),
  });
  introduce(authkit, command.length === 0);
  if (command.length > 0) {
    process.exitCode = await runCommand(authkit, command, process.env).finally(() =>
      authkit.close(),
    );
    return;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void authkit.close().then(() => process.exit(0)));
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isUsage = /^ERR_(PARSE_ARGS|SOCKET_BAD_PORT)/.test(code);
  if (!(error instanceof Error) || !(isUsage || error instanceof LocalAuthKitError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

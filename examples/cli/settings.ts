// Flags override the environment, which overrides the defaults; the defaults are for `npm start`
// with its local AuthKit.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CliError } from './errors.ts';

export const help = `Usage: cli <command> [options]

Commands
  login            Sign in with the browser on this machine
  login --device   Sign in with a browser on another device
  whoami           Ask the API who you are
  logout           Sign out: revoke the tokens if AuthKit supports it, and delete them here

Options
  --issuer <url>     URL of AuthKit              AUTHKIT_ISSUER   http://localhost:4000
  --client-id <id>   Client id                   CLI_CLIENT_ID    printed by npm start
  --api <url>        URL of the API              API_URL          http://localhost:3000
  --resource <uri>   Resource indicator, if the environment has one   OAUTH_RESOURCE
  --tokens <file>    File for the tokens         CLI_TOKEN_FILE   ~/.config/authkit-cli/tokens.json
  --json             whoami: print the API's response as JSON
  --help             Show this help

Set BROWSER to open pages with another command, and HTTPS_PROXY and NO_PROXY as for curl.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not signed in, 4 sign-in not completed.
`;

export interface Settings {
  command: string;
  device: boolean;
  json: boolean;
  issuer: URL;
  clientId: string;
  api: URL;
  resource: string | undefined;
  tokenFile: string;
}

const options = {
  issuer: { type: 'string' },
  'client-id': { type: 'string' },
  api: { type: 'string' },
  resource: { type: 'string' },
  tokens: { type: 'string' },
  device: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Takes the arguments after the program's name; returns undefined if help is wanted. */
export function readSettings(args: string[], env: NodeJS.ProcessEnv): Settings | undefined {
  const { values, positionals } = parse(args);
  const [command, ...others] = positionals;
  if (values.help === true || command === undefined || command === 'help') return undefined;
  if (!['login', 'whoami', 'logout'].includes(command) || others.length > 0) {
    throw new CliError('usage', `Unknown command: ${positionals.join(' ')}. Try --help.`);
  }
  const clientId = values['client-id'] ?? env['CLI_CLIENT_ID'];
  if (!clientId) {
    const message = 'Set CLI_CLIENT_ID or --client-id to the id of your Public application.';
    throw new CliError('usage', message);
  }
  const config = env['XDG_CONFIG_HOME'] ?? env['APPDATA'] ?? join(homedir(), '.config');
  return {
    command,
    device: values.device ?? false,
    json: values.json ?? false,
    issuer: safeUrl(values.issuer ?? env['AUTHKIT_ISSUER'] ?? 'http://localhost:4000', 'issuer'),
    clientId,
    api: safeUrl(values.api ?? env['API_URL'] ?? 'http://localhost:3000', 'api'),
    resource: values.resource ?? env['OAUTH_RESOURCE'],
    tokenFile: values.tokens ?? env['CLI_TOKEN_FILE'] ?? join(config, 'authkit-cli', 'tokens.json'),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'Wrong usage.';
    throw new CliError('usage', `${reason.split('. ')[0]}. Try --help.`, { cause });
  }
}

// Both URLs receive tokens: plain http is safe only on loopback (RFC 8252 §8.3).
function safeUrl(value: string, name: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isLoopback = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url?.hostname ?? '');
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback)) return url;
  throw new CliError('usage', `--${name} must be an https URL (http on this machine only).`);
}

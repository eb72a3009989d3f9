// Flags override the environment, which overrides the defaults; the defaults are for `npm start`
// with its local AuthKit.

import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
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

Set BROWSER to open pages with another command, in which %s stands for the URL, and HTTPS_PROXY and
NO_PROXY as for curl.
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

type TextFlag = 'issuer' | 'client-id' | 'api' | 'resource' | 'tokens';

/** Takes the arguments after the program's name; returns undefined if help is wanted. */
export function readSettings(args: string[], env: NodeJS.ProcessEnv): Settings | undefined {
  const { values, positionals } = parse(args);
  const [command, ...others] = positionals;
  if (values.help === true || command === undefined || command === 'help') return undefined;
  if (!['login', 'whoami', 'logout'].includes(command) || others.length > 0) {
    throw new CliError('usage', `Unknown command: ${positionals.join(' ')}. Try --help.`);
  }
  const setting = (flag: TextFlag, variable: string) => {
    if (values[flag] !== '') return values[flag] ?? (env[variable] || undefined);
    throw new CliError('usage', `--${flag} is empty. Leave it out to use ${variable}.`);
  };
  const clientId = setting('client-id', 'CLI_CLIENT_ID');
  if (clientId === undefined) {
    const message = 'Set CLI_CLIENT_ID or --client-id to the id of your Public application.';
    throw new CliError('usage', message);
  }
  return {
    command,
    device: values.device ?? false,
    json: values.json ?? false,
    issuer: safeUrl(setting('issuer', 'AUTHKIT_ISSUER') ?? 'http://localhost:4000', 'issuer'),
    clientId,
    api: safeUrl(setting('api', 'API_URL') ?? 'http://localhost:3000', 'api'),
    resource: setting('resource', 'OAUTH_RESOURCE'),
    tokenFile:
      setting('tokens', 'CLI_TOKEN_FILE') ?? join(configFolder(env), 'authkit-cli', 'tokens.json'),
  };
}

/**
 * The XDG Base Directory Specification: an empty variable counts as unset, and a relative path is
 * ignored, because it would put the tokens into whatever folder the user is in.
 */
function configFolder(env: NodeJS.ProcessEnv): string {
  const folder = [env['XDG_CONFIG_HOME'], env['APPDATA']].find((path) => path && isAbsolute(path));
  if (folder) return folder;
  // homedir() repeats HOME, whatever it says, and both throw for a user id without an account.
  for (const home of [homedir, () => userInfo().homedir]) {
    try {
      const path = home();
      if (isAbsolute(path) && path !== '/') return join(path, '.config');
    } catch {}
  }
  const message = 'You have no home folder for the tokens: set CLI_TOKEN_FILE or --tokens.';
  throw new CliError('usage', message);
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

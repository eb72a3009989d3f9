import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { help, readSettings } from '../../examples/cli/settings.ts';

const env = { CLI_CLIENT_ID: 'client_cli', HOME: '/home/ada' };

test.each([[[]], [['--help']], [['-h']], [['help']], [['login', '--help']], [['help', 'login']]])(
  'the arguments %j ask for help',
  (args) => {
    expect(readSettings(args, {})).toBeUndefined();
  },
);

test.each([
  [['dance'], /Unknown command: dance/],
  [['login', 'now'], /Unknown command: login now/],
  [['login', '--unknown'], /Unknown option '--unknown'/],
  [['login', '--issuer'], /argument missing/],
  [['whoami', '--api', 'http://api.example'], /--api must be an https URL/],
  [['whoami', '--api', 'https:'], /--api must be an https URL/],
  [['whoami', '--issuer', 'nonsense'], /--issuer must be an https URL/],
  [['whoami', '--issuer', 'http://localhost.evil.example'], /--issuer must be an https URL/],
  [['whoami', '--client-id', ''], /CLI_CLIENT_ID/],
])('the arguments %j are refused as wrong usage', (args, message) => {
  expect(() => readSettings(args, env)).toThrow(message);
  expect(() => readSettings(args, env)).toThrow(expect.objectContaining({ code: 'usage' }));
});

test('flags override the environment, and the environment overrides defaults', () => {
  const defaults = readSettings(['whoami'], env);
  expect(defaults).toMatchObject({ clientId: 'client_cli', device: false, resource: undefined });
  expect(defaults?.issuer.href).toBe('http://localhost:4000/');
  expect(defaults?.tokenFile).toMatch(/\.config\/authkit-cli\/tokens\.json$/);
  const set = { ...env, AUTHKIT_ISSUER: 'https://a.example', CLI_TOKEN_FILE: '/tmp/t' };
  expect(readSettings(['whoami'], set)?.issuer.href).toBe('https://a.example/');
  expect(readSettings(['whoami'], set)?.tokenFile).toBe('/tmp/t');
  const flags = ['whoami', '--issuer', 'https://b.example', '--client-id', 'client_b'];
  expect(readSettings(flags, set)?.issuer.href).toBe('https://b.example/');
  expect(readSettings(flags, set)?.clientId).toBe('client_b');
});

test.each(['issuer', 'api', 'resource', 'tokens', 'client-id'])(
  'an empty --%s is refused as wrong usage',
  (flag) => {
    const message = new RegExp(`--${flag} is empty`);
    expect(() => readSettings(['whoami', `--${flag}`, ''], env)).toThrow(message);
  },
);

test('an empty variable counts as unset', () => {
  const names = [
    'AUTHKIT_ISSUER',
    'API_URL',
    'OAUTH_RESOURCE',
    'CLI_TOKEN_FILE',
    'XDG_CONFIG_HOME',
  ];
  const empty = Object.fromEntries(names.map((name) => [name, '']));
  expect(readSettings(['whoami'], { ...env, ...empty })).toEqual(readSettings(['whoami'], env));
});

const fileWith = (more: NodeJS.ProcessEnv) =>
  readSettings(['whoami'], { ...env, ...more })?.tokenFile;
const below = (folder: string) => join(folder, 'authkit-cli', 'tokens.json');
describe('the file for the tokens', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test('is in XDG_CONFIG_HOME, unless that is relative', () => {
    expect(fileWith({ XDG_CONFIG_HOME: '/etc/ada' })).toBe(below('/etc/ada'));
    for (const XDG_CONFIG_HOME of ['.', 'config', '~/.config', '']) {
      expect(fileWith({ XDG_CONFIG_HOME })).toBe(below(join(homedir(), '.config')));
    }
  });

  test.each(['', '.', 'home', '/', undefined])(
    'is in the home folder of the account if HOME is %j',
    (home) => {
      vi.stubEnv('HOME', home);
      const file = fileWith({});
      expect(file).toBe(below(join(userInfo().homedir, '.config')));
      expect(isAbsolute(file ?? '')).toBe(true);
    },
  );
});

test('the help names every option', () => {
  for (const option of [
    'issuer',
    'client-id',
    'api',
    'resource',
    'tokens',
    'json',
    'help',
    'device',
  ]) {
    expect(help).toContain(`--${option}`);
  }
});

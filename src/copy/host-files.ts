// Edits of .gitignore and .env.example: lines that are missing are added at the end.
import type { App } from './app.ts';
import type { Engine, Folder } from './shipped.ts';
import { OTHER_PATHS, STORE_SETTINGS } from './starter-edits.ts';

/** Sessions and secrets do not belong in version control. */
export function withIgnored(text: string, isNew: boolean): string {
  const wanted = isNew ? ['node_modules', 'dist', '.env', '.data'] : ['.env', '.data'];
  const present = text.split('\n').map((line) => line.trim().replace(/^\/|\/$/g, ''));
  return withLines(
    text,
    wanted.filter((name) => !present.includes(name)),
  );
}

interface Setting {
  name: string;
  value: string;
  about: string;
}

function settingsFor(app: App, folders: readonly Folder[], engine: Engine): Setting[] {
  const has = (name: Folder) => folders.includes(name);
  const callback = app.existing.route ? `${OTHER_PATHS}/callback` : '/callback';
  if (!has('auth') && !has('bearer')) return [];
  return [
    { name: 'AUTHKIT_ISSUER', value: 'https://<subdomain>.authkit.app', about: 'Your AuthKit' },
    {
      name: 'OAUTH_APP_CLIENT_ID',
      value: 'client_...',
      about: 'The Connect application of this app',
    },
    {
      name: 'BASE_URL',
      value: 'http://localhost:3000',
      about: `Where browsers find this app. The redirect URI is BASE_URL + ${callback}`,
    },
    ...(has('auth')
      ? [
          { name: 'OAUTH_APP_CLIENT_SECRET', value: '', about: 'Its client secret' },
          { name: 'SESSION_SECRET', value: '', about: 'Random: openssl rand -base64 32' },
        ]
      : []),
    ...(has('auth')
      ? STORE_SETTINGS[engine].map((name) => ({
          name,
          value: '',
          about: 'Where sessions are kept',
        }))
      : []),
    ...(has('bearer')
      ? [
          {
            name: 'API_AUDIENCE',
            value: 'client_...',
            about: 'The audience of access tokens: the client id of the environment',
          },
        ]
      : []),
    ...(has('events')
      ? [
          {
            name: 'WORKOS_WEBHOOK_SECRET',
            value: '',
            about:
              'The signing secret of the webhook endpoint, which is BASE_URL + /webhooks/authkit',
          },
        ]
      : []),
  ];
}

/** Adds the settings that the example does not name yet, each below what it is. */
export function withSettingsFor(
  text: string,
  app: App,
  folders: readonly Folder[],
  engine: Engine,
): string {
  const isNamed = (name: string) =>
    new RegExp(`^\\s*#?\\s*(?:export\\s+)?${name}\\s*=`, 'm').test(text);
  const missing = settingsFor(app, folders, engine).filter(({ name }) => !isNamed(name));
  return withLines(
    text,
    missing.flatMap(({ name, value, about }) => [`# ${about}`, `${name}=${value}`]),
  );
}

function withLines(text: string, lines: readonly string[]): string {
  if (lines.length === 0) return text;
  const eol = text.includes('\r\n') ? '\r\n' : '\n';
  const start = text === '' || text.endsWith('\n') ? text : text + eol;
  return start + lines.map((line) => line + eol).join('');
}

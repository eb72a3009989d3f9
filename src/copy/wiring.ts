// The lines by which an app uses its copy: `init` writes them into a server file that it makes itself,
// and lists them for one that the app has already.
import { posix } from 'node:path';
import type { App } from './app.ts';
import type { Folder } from './shipped.ts';
import { OTHER_PATHS } from './starter-edits.ts';

export interface Wiring {
  /** Beside the other imports. */
  imports: string[];
  /** Above the routes. */
  before: string[];
  /** A route as an example. */
  example: string[];
  /** Below the routes. */
  after: string[];
}

/** The lines for a server file at `server`, both paths below the app. */
export function wiringFor(
  app: Pick<App, 'modules' | 'language' | 'express' | 'existing'>,
  folders: readonly Folder[],
  folder: string,
  server: string,
): Wiring {
  const has = (name: Folder) => folders.includes(name);
  const relative = posix.relative(posix.dirname(server), folder);
  const from = relative.startsWith('.') ? relative : `./${relative}`;
  const isRequired =
    app.language === 'js' && app.modules === 'commonjs' && !server.endsWith('.mjs');
  const signOutPath = `${app.existing.route ? OTHER_PATHS : ''}/logout`;
  const usesFolders = has('auth') || has('bearer');
  const bring = (what: string, file: string) => {
    const path = `${from}/${file}.${app.language}`;
    if (isRequired) return `const ${what} = require('${path}');`;
    return `import ${what.startsWith('{') ? what : `* as ${what}`} from '${path}';`;
  };
  return {
    imports: [
      ...(app.express === 4 && usesFolders
        ? [effect(`${from}/express-4.${app.language}`, isRequired)]
        : []),
      ...(has('auth')
        ? [bring('{ currentUser, personIn }', 'auth/index'), bring('authKit', 'setup')]
        : []),
      ...(has('bearer') ? [bring('api', 'api')] : []),
      ...(has('events') ? [bring('{ webhooks }', 'webhooks')] : []),
    ],
    before: [
      ...(has('events') ? ['app.use(webhooks); // before any body parser'] : []),
      ...(has('bearer') ? ['app.use(api.metadata);'] : []),
      ...(has('auth') ? ['app.use(authKit.session, authKit.routes);'] : []),
    ],
    example: [
      ...(has('auth')
        ? [
            "app.get('/members', authKit.noStore, authKit.requireLogin, (req, res) => {",
            '  res.json({ user: currentUser(req), signOut: `SIGN_OUT?person=${personIn(req)}` });'.replace(
              'SIGN_OUT',
              signOutPath,
            ),
            '});',
            "app.get('/signed-out', (_req, res) => {",
            "  res.send('You are signed out.');",
            '});',
          ]
        : []),
      ...(has('bearer')
        ? [
            "app.get('/api/me', api.requireAccessToken, (req, res) => {",
            "  res.set('Cache-Control', 'no-store').json({ sub: api.currentAccessToken(req).sub });",
            '});',
          ]
        : []),
    ],
    after: [
      ...(has('auth') ? ['app.use(authKit.showSignInError);'] : []),
      ...(has('bearer') ? ['app.use(api.showTokenError);'] : []),
    ],
  };
}

const effect = (path: string, isRequired: boolean) =>
  isRequired ? `require('${path}');` : `import '${path}';`;

const added = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

/** Adds these lines to the server file that comes with this package, where they belong. */
export function wireIn(server: string, { imports, before, example, after }: Wiring): string {
  return server
    .replace(/(?:^import .*\n)+/m, (all) => all + added(imports))
    .replace(/^app\.use\(authKit\.noStore/m, (line) => added(before) + line)
    .replace(/^app\.use\(authKit\.showSignInError\);\n/m, (line) =>
      example.length === 0 ? line : `${added(example)}\n${line}${added(after)}`,
    );
}

// The plan and the next steps in words.
import { resolveCommand } from 'package-manager-detector';
import type { Place } from './app-sources.ts';
import { allPackages, type App } from './app.ts';
import type { Change } from './changes.ts';
import { installCommand } from './install.ts';
import type { Plan } from './plan.ts';
import { isCopied, RECORD_FILE } from './record.ts';
import { OTHER_PATHS } from './starter-edits.ts';

const LANGUAGES = { ts: 'TypeScript', js: 'JavaScript' };
const MODULES = { esm: 'ES modules', commonjs: 'CommonJS' };
const STORES = {
  embedded: 'a SQLite file',
  redis: 'Redis',
  postgres: 'PostgreSQL',
  any: 'Redis, PostgreSQL or a SQLite file, by REDIS_URL and DATABASE_URL',
};

/** What will be done, before it is done. */
export function describePlan({ app, record, changes, compiler }: Plan): string {
  const { language, modules, express, packageManager } = app;
  const kind = [LANGUAGES[language], MODULES[modules], `Express ${express ?? 5}`, packageManager];
  const isOwn = ({ path }: Change) =>
    path !== RECORD_FILE && !isCopied(record, path) && path !== 'package.json';
  const written = changes.filter((change) => isOwn(change) && change.before === undefined);
  const edited = changes.filter(({ before, path }) => before !== undefined && path !== RECORD_FILE);
  const copied = changes.filter(({ path }) => isCopied(record, path)).length;
  return [
    `${app.isNew ? 'A new app' : 'Your app'} at ${app.root} (${kind.join(', ')})`,
    '',
    `  copies   ${placesOf(record)} (${copied} files of version ${record.version})`,
    ...(record.folders.includes('store') ? [`  store    ${STORES[record.engine]}`] : []),
    ...(written.length > 0 ? [`  writes   ${written.map(({ path }) => path).join(', ')}`] : []),
    ...(edited.length > 0 ? [`  changes  ${edited.map(({ path }) => path).join(', ')}`] : []),
    ...compiler.settings.map(
      ({ name, from, to }) =>
        `           in ${compiler.file}, ${name}: ${from === undefined ? '' : `${JSON.stringify(from)} becomes `}${JSON.stringify(to)}`,
    ),
    ...sideBySide(app).map((line) => `  keeps    ${line}`),
    '',
  ].join('\n');
}

/** Where the folders are copied to; the local AuthKit is never compiled with the app. */
function placesOf({ folders, folder }: Plan['record']): string {
  const beside = folders.filter((name) => name !== 'local-authkit');
  return [
    ...(beside.length > 0 ? [`${beside.join(', ')} to ${folder}`] : []),
    ...(beside.length < folders.length ? ['the local AuthKit to local-authkit'] : []),
  ].join('; ');
}

const at = ({ path, line }: Place) => `${path}:${line}`;

/** How the copy and what the app has already stand side by side. */
function sideBySide({ existing: { session, passport, route, user } }: App): string[] {
  return [
    ...(session
      ? [
          `Your session (${at(session)}) stays as it is; sign-in has a cookie and a store of its own.`,
        ]
      : []),
    ...(passport
      ? [
          `Your passport login (${at(passport)}) stays; the guards admit users of AuthKit only, and currentUser(req) is that user.`,
        ]
      : []),
    ...(route
      ? [
          `You have a ${route.route} (${at(route)}), so sign-in is at ${OTHER_PATHS}/login, and the redirect URI is BASE_URL + ${OTHER_PATHS}/callback.`,
        ]
      : []),
    ...(user ? [`You declare Express.User (${at(user)}), so the copy does not.`] : []),
  ];
}

/** For an app that has all of this already, whose owner may have closed the terminal. */
export function describeNothing({ app, record, toDo }: Plan): string {
  const done = `Nothing to do: ${app.root} has this copy of version ${record.version} already.`;
  return toDo ? `${done} If they are not there yet:\n\n  ${linesToAdd(toDo)}` : done;
}

/** What is left to do, after it is done. */
export function describeNextSteps(plan: Plan, isInstalled: boolean): string {
  const { app, toDo, needsInstall, record } = plan;
  const steps = [
    ...(needsInstall && !isInstalled
      ? [`Install the packages: ${installCommand(app).join(' ')}`]
      : []),
    ...(toDo ? [linesToAdd(toDo)] : []),
    ...(toDo && record.folders.includes('auth') ? [signOutForm(app)] : []),
    ...(record.folders.includes('live') ? [LIVE] : []),
    ...(plan.compiler.writesBesideSources ? [NO_OUT_DIR] : []),
    ...howToStart(plan),
    `Commit ${RECORD_FILE}: update needs it.`,
  ];
  const folder = /\s/.test(app.root) ? `"${app.root}"` : app.root;
  const where = app.isNew ? [`  cd ${folder}`, ''] : [];
  return [
    `Copied version ${record.version}. What is left:`,
    '',
    ...where,
    ...steps.map((step, index) => `  ${index + 1}. ${step}`),
  ].join('\n');
}

const block = (title: string, code: readonly string[]) =>
  code.length === 0 ? [] : [`     // ${title}`, ...code.map((line) => `     ${line}`)];

function linesToAdd({ server, lines }: NonNullable<Plan['toDo']>): string {
  return [
    `Add to ${server}:`,
    '',
    ...block('beside your imports', lines.imports),
    ...block('above your routes', lines.before),
    ...block('a page as an example', lines.example),
    ...block('below your routes', lines.after),
    '',
  ].join('\n');
}

const NO_OUT_DIR =
  'Your tsconfig.json has no outDir, so tsc writes beside your sources: set one, or do not commit what it writes.';

const LIVE = 'Open live connections with createLive of the folder live, as docs/live.md shows.';

const signOutForm = ({ existing }: App) =>
  `Add a sign-out form to your pages, which names its user as the example does: <form method="post" action="${existing.route ? OTHER_PATHS : ''}/logout?person=...">`;

function howToStart(plan: Plan): string[] {
  const { app, record } = plan;
  if (!record.folders.includes('auth') && !record.folders.includes('bearer')) return [];
  const withOwn = `${OWN_SETTINGS}${loadsSettings(app) ? '' : LOAD_SETTINGS}`;
  if (app.isNew) {
    const start = `With your AuthKit: ${OWN_SETTINGS} Then ${run(app, 'start')}`;
    if (!record.folders.includes('local-authkit')) return [start];
    return [`Try it with the local AuthKit: ${run(app, 'dev')}`, start];
  }
  if (!record.folders.includes('local-authkit')) return [withOwn];
  const option = app.existing.route ? ` --redirect-path ${OTHER_PATHS}/callback` : '';
  return [
    `Try it with the local AuthKit: node local-authkit/main.js${option} -- ${startCommand(plan)}`,
    `With your AuthKit: ${withOwn}`,
  ];
}

const OWN_SETTINGS = 'Copy .env.example to .env and fill in the values of the WorkOS dashboard.';
const LOAD_SETTINGS =
  ' Your app has to load it: start it with node --env-file=.env, or with dotenv.';

const loadsSettings = ({ isNew, manifest }: App) =>
  isNew ||
  'dotenv' in allPackages(manifest) ||
  Object.values(manifest.scripts ?? {}).some((script) => script.includes('--env-file'));

/** The command that starts the app, as far as its package.json says. */
function startCommand({ app, newServer }: Plan): string {
  const server = newServer ?? app.server;
  const { dev, start } = app.manifest.scripts ?? {};
  if (newServer === undefined && dev !== undefined) return run(app, 'dev');
  if (newServer === undefined && start !== undefined) return run(app, 'start');
  if (app.language === 'js' && server !== undefined) return `node ${server}`;
  return '<the command that starts your app>';
}

function run({ packageManager }: App, script: string): string {
  if (packageManager === 'npm' && script === 'start') return 'npm start';
  const { command, args } = resolveCommand(packageManager, 'run', [script]) ?? {
    command: 'npm',
    args: ['run', script],
  };
  return [command, ...args].join(' ');
}

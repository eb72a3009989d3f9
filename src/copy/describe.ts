// The plan and the next steps in words.
import { resolveCommand } from 'package-manager-detector';
import type { Place } from './app-sources.ts';
import type { App } from './app.ts';
import type { Change } from './changes.ts';
import { installCommand } from './install.ts';
import type { Plan } from './plan.ts';
import { RECORD_FILE } from './record.ts';
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
export function describePlan({ app, record, changes, compilerChanges }: Plan): string {
  const { language, modules, express, packageManager } = app;
  const kind = [LANGUAGES[language], MODULES[modules], `Express ${express ?? 5}`, packageManager];
  const isOwn = ({ path }: Change) =>
    path !== RECORD_FILE && !isInCopy(record, path) && path !== 'package.json';
  const written = changes.filter((change) => isOwn(change) && change.before === undefined);
  const edited = changes.filter(({ before, path }) => before !== undefined && path !== RECORD_FILE);
  const copied = changes.filter(({ path }) => isInCopy(record, path)).length;
  return [
    `${app.isNew ? 'A new app' : 'Your app'} at ${app.root} (${kind.join(', ')})`,
    '',
    `  copies   ${record.folders.join(', ')}: ${copied} files of version ${record.version}, to ${record.folder || '.'}`,
    ...(record.folders.includes('store') ? [`  store    ${STORES[record.engine]}`] : []),
    ...(written.length > 0 ? [`  writes   ${written.map(({ path }) => path).join(', ')}`] : []),
    ...(edited.length > 0 ? [`  changes  ${edited.map(({ path }) => path).join(', ')}`] : []),
    ...compilerChanges.map(
      ({ name, from, to }) =>
        `           in tsconfig.json, ${name}: ${from === undefined ? '' : `${JSON.stringify(from)} becomes `}${JSON.stringify(to)}`,
    ),
    ...sideBySide(app).map((line) => `  beside   ${line}`),
    '',
  ].join('\n');
}

const isInCopy = ({ folder, files }: Plan['record'], path: string) =>
  path in files || (folder !== '' && path.slice(folder.length + 1) in files);

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

/** What is left to do, after it is done. */
export function describeNextSteps(plan: Plan, isInstalled: boolean): string {
  const { app, toDo, needsInstall, record } = plan;
  const steps = [
    ...(needsInstall && !isInstalled
      ? [`Install the packages: ${installCommand(app).join(' ')}`]
      : []),
    ...(toDo ? [linesToAdd(toDo)] : []),
    ...howToStart(plan),
    `Keep ${RECORD_FILE} in version control: \`update\` needs it.`,
  ];
  const where = app.isNew ? [`  cd ${app.root}`, ''] : [];
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

function howToStart({ app, record }: Plan): string[] {
  const run = (script: string) => {
    const { command, args } = resolveCommand(app.packageManager, 'run', [script]) ?? {
      command: 'npm',
      args: ['run', script],
    };
    return [command, ...args].join(' ');
  };
  const own = 'Copy .env.example to .env and fill in what your AuthKit says.';
  if (!record.folders.includes('local-authkit')) return [own];
  if (app.isNew) {
    return [
      `Try it without an account: ${run('dev')}`,
      `With your AuthKit: ${own} Then ${run('start')}`,
    ];
  }
  const option = app.existing.route
    ? ` --redirect-uri http://localhost:3000${OTHER_PATHS}/callback`
    : '';
  return [
    `Try it without an account: node local-authkit/main.js${option} -- <the command that starts your app>`,
    `With your AuthKit: ${own}`,
  ];
}

// `init`: looks at the app, says what it will do, and does it.
import { resolve } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { lookAt } from './app.ts';
import { makeChanges } from './changes.ts';
import { describeNextSteps, describeNothing, describePlan } from './describe.ts';
import { install } from './install.ts';
import { planCopy, type Choices, type Plan } from './plan.ts';
import { copiedFolders, isCopied, readRecord, RECORD_FILE } from './record.ts';
import type { Engine, Folder, Shipped } from './shipped.ts';
import type { Terminal } from './terminal.ts';

export interface InitOptions {
  folders: readonly Folder[];
  engine: Engine | undefined;
  dryRun: boolean;
  yes: boolean;
  install: boolean;
  signal: AbortSignal;
}

const HINTS: Partial<Record<Folder, string>> = {
  auth: 'sign-in for pages, with a session store',
  bearer: "AuthKit's access tokens at an API",
  events: 'webhooks that end sessions',
  live: 'WebSockets and event streams that end with their session',
  'local-authkit': 'stands in for AuthKit in development and tests',
};

const REMIND_AFTER_MS = 30_000;
// npm is silent for minutes while no registry responds.
const STILL_INSTALLING =
  'Still installing. If the registry cannot be reached, this takes minutes: Ctrl-C undoes everything.';

/**
 * Copies folders into the app at `path`.
 * @throws CopyError; the app is then as it was before
 */
export async function init(
  shipped: Shipped,
  version: string,
  path: string,
  options: InitOptions,
  terminal: Terminal,
): Promise<void> {
  const known = await readRecord(resolve(path));
  const app = await lookAt(path, known && copiedFolders(known));
  const plan = await planCopy(shipped, version, app, await choose(options, !known, terminal));
  if (plan.changes.length === 0) {
    terminal.say(describeNothing(plan));
    terminal.result({ ...summaryOf(plan), written: false });
    return;
  }
  terminal.say(describePlan(plan));
  if (options.dryRun) {
    const diff = patchOf(plan);
    terminal.say(`${diff}\nNothing was changed (--dry-run).`);
    terminal.result({ ...summaryOf(plan), written: false, diff });
    return;
  }
  await terminal.agree('Do this?', options.yes);
  await carryOut(plan, options, terminal);
  terminal.say(describeNextSteps(plan, options.install));
  terminal.result({ ...summaryOf(plan), written: true });
}

/** Makes the changes of the plan and installs its packages: all of it or nothing. */
export async function carryOut(
  { app, changes, needsInstall }: Pick<Plan, 'app' | 'changes' | 'needsInstall'>,
  options: Pick<InitOptions, 'install' | 'signal'>,
  terminal: Terminal,
): Promise<void> {
  const { signal } = options;
  const installPackages = async () => {
    if (!needsInstall || !options.install) return;
    const reminder = setTimeout(() => terminal.say(STILL_INSTALLING), REMIND_AFTER_MS);
    await terminal
      .during(`Installing packages with ${app.packageManager}`, (onLine) =>
        install(app, onLine, signal),
      )
      .finally(() => clearTimeout(reminder));
  };
  await makeChanges(app.root, changes, installPackages, signal);
}

async function choose(options: InitOptions, isNew: boolean, terminal: Terminal): Promise<Choices> {
  const { folders, engine, yes } = options;
  const usual: Folder[] = ['auth', 'local-authkit'];
  // By itself, the local AuthKit is of use only to an app that has a copy.
  const isAlone = isNew && folders.length > 0 && folders.every((name) => name === 'local-authkit');
  if (folders.length > 0) return { folders: isAlone ? usual : folders, engine };
  if (yes || !terminal.isInteractive) return { folders: usual, engine };
  const choices = Object.entries(HINTS).map(([value, hint]) => ({
    value: value as Folder,
    label: `${value}: ${hint}`,
  }));
  return { folders: await terminal.choose('What does your app need?', choices, usual), engine };
}

/**
 * A diff, for `git apply` too, of the files that exist and of those that will belong to the app; not of
 * the copies.
 */
function patchOf({ changes, record }: Plan): string {
  return changes
    .filter(
      ({ path, before }) =>
        path !== RECORD_FILE && (before !== undefined || !isCopied(record, path)),
    )
    .map(({ path, before, after = '' }) =>
      createTwoFilesPatch(
        before === undefined ? '/dev/null' : `a/${path}`,
        `b/${path}`,
        before ?? '',
        after,
      ),
    )
    .join('');
}

function summaryOf({ app, record, changes, compiler, newServer, toDo }: Plan) {
  const { version, folder, format, engine, folders } = record;
  return {
    app: app.root,
    version,
    folder,
    format,
    engine,
    folders,
    created: changes.filter(({ before }) => before === undefined).map(({ path }) => path),
    changed: changes.filter(({ before }) => before !== undefined).map(({ path }) => path),
    compilerSettings: compiler.settings,
    existing: app.existing,
    newServer,
    toDo,
  };
}

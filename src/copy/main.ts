#!/usr/bin/env node
// `npm run copy -- <command>`, and the program of the packed package: the command line.
import { resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { diff } from './diff.ts';
import { examineCopy } from './doctor.ts';
import { CopyError } from './errors.ts';
import { init } from './init.ts';
import { ENGINES, FOLDERS, readShipped, type Engine, type Folder } from './shipped.ts';
import { readReleases } from './releases.ts';
import { createTerminal } from './terminal.ts';
import { update } from './update.ts';
import { versionOf } from './versions.ts';

const EXIT_CODES = `
Exit codes: 0 done, or nothing to do; 1 something is left to do: conflicts, changes, a newer version;
2 refused or failed, and the app is as it was before.`;

interface Values extends Partial<Record<Exclude<Folder, 'store'>, boolean>> {
  localAuthkit?: boolean;
  store?: Engine;
  dryRun?: boolean;
  yes?: boolean;
  install: boolean;
  json?: boolean;
  names?: boolean;
}

const interrupted = new AbortController();
// Not once: npm passes Ctrl-C on, and the second signal would end this in the middle of undoing.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupted.abort());
}

/** npm runs scripts in the folder of package.json; paths are meant from where the user is. */
const appAt = (path: string) => resolve(process.env['INIT_CWD'] ?? '.', path);

async function readPackage() {
  const shipped = await readShipped();
  const version = await versionOf(shipped, await readReleases(`${shipped.root}/releases`));
  return { shipped, version };
}

function leave(isSomethingLeft: boolean): void {
  if (isSomethingLeft) process.exitCode = 1;
}

function program(): Command {
  const { signal } = interrupted;
  const cli = new Command('authkit-copy')
    .description(
      'Copies sign-in with WorkOS AuthKit into an Express app, and keeps the copy current.',
    )
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError('(--help lists the commands and options)')
    .exitOverride();
  cli
    .command('diff')
    .description('show what you changed in a copy, and what changed here since')
    .argument('[app]', 'the folder of the app', '.')
    .option('--names', 'list the files only')
    .option('--json', 'print the result as JSON')
    .action(async (app: string, { names = false, json = false }: Values) => {
      const { shipped, version } = await readPackage();
      leave(await diff(shipped, version, appAt(app), names, createTerminal(json)));
    });
  cli
    .command('update')
    .description('bring a copy to this version, and keep your changes')
    .argument('[app]', 'the folder of the app', '.')
    .option('--dry-run', 'show what will become of each file, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--no-install', 'do not install packages')
    .option('--json', 'print the result as JSON')
    .action(async (app: string, values: Values) => {
      const { shipped, version } = await readPackage();
      const { dryRun = false, yes = false, install, json = false } = values;
      const options = { dryRun, yes, install, signal };
      leave(await update(shipped, version, appAt(app), options, createTerminal(json)));
    });
  cli
    .command('doctor')
    .description('say which version a copy is of, and which security fixes it lacks')
    .argument('[app]', 'the folder of the app', '.')
    .option('--copy', 'the default, and the only examination here')
    .option('--json', 'print the result as JSON')
    .action(async (app: string, { json = false }: Values) => {
      const { shipped, version } = await readPackage();
      leave(await examineCopy(shipped, version, appAt(app), createTerminal(json)));
    });
  cli
    .command('init')
    .description('copy folders into an app; an empty or missing folder becomes a new app')
    .argument('<app>', 'the folder of the app')
    .option('--auth', 'sign-in for pages, with a session store')
    .option('--bearer', "AuthKit's access tokens at an API")
    .option('--events', 'webhooks that end sessions')
    .option('--live', 'WebSockets and event streams that end with their session')
    .option(
      '--local-authkit',
      'a stand-in for AuthKit, for development and tests (the default is this and --auth)',
    )
    .addOption(
      new Option('--store <engine>', 'where sessions are kept (default: embedded)').choices(
        ENGINES,
      ),
    )
    .option('--dry-run', 'show the plan and a diff, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--no-install', 'do not install packages')
    .option('--json', 'print the result as JSON')
    .action(async (app: string, values: Values) => {
      const { shipped, version } = await readPackage();
      const folders = FOLDERS.filter((folder) =>
        folder === 'local-authkit' ? values.localAuthkit : folder !== 'store' && values[folder],
      );
      const { store: engine, dryRun = false, yes = false, install, json = false } = values;
      await init(
        shipped,
        version,
        appAt(app),
        { folders, engine, dryRun, yes, install, signal },
        createTerminal(json),
      );
    });
  return cli;
}

/** Prints the error as a sentence, or as JSON. */
function report(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  process.exitCode = 2;
  const message = error instanceof Error ? error.message : String(error);
  const { code } = error instanceof CopyError ? error : { code: 'unexpected' };
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ error: code, message }, null, 2)}\n`);
  } else {
    process.stderr.write(`${message}\n`);
  }
}

try {
  await program().parseAsync();
} catch (error) {
  report(error);
}

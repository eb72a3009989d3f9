#!/usr/bin/env node
// `npm run copy -- <command>`, and the program of the packed package: the command line.
import { resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { CopyError } from './errors.ts';
import { init } from './init.ts';
import { ENGINES, FOLDERS, readShipped, type Engine, type Folder } from './shipped.ts';
import { createTerminal } from './terminal.ts';

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
}

const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
process.once('SIGTERM', () => interrupted.abort());

/** npm runs scripts in the folder of package.json; paths are meant from where the user is. */
const appAt = (path: string) => resolve(process.env['INIT_CWD'] ?? '.', path);

function program(): Command {
  const { signal } = interrupted;
  const cli = new Command('authkit-copy')
    .description(
      'Copies sign-in with WorkOS AuthKit into an Express app, and keeps the copy current.',
    )
    .addHelpText('after', EXIT_CODES)
    .showHelpAfterError()
    .exitOverride();
  cli
    .command('init')
    .description('copy folders into an app; an empty or missing folder becomes a new app')
    .argument('<app>', 'the folder of the app')
    .option('--auth', 'sign-in for pages, with a session store (the default)')
    .option('--bearer', "AuthKit's access tokens at an API")
    .option('--events', 'webhooks that end sessions')
    .option('--live', 'WebSockets and event streams that end with their session')
    .option('--local-authkit', 'a stand-in for AuthKit, for development and tests')
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
      const shipped = await readShipped();
      const folders = FOLDERS.filter((folder) =>
        folder === 'local-authkit' ? values.localAuthkit : folder !== 'store' && values[folder],
      );
      const { store: engine, dryRun = false, yes = false, install, json = false } = values;
      await init(
        shipped,
        shipped.version,
        appAt(app),
        { folders, engine, dryRun, yes, install, signal },
        createTerminal(json),
      );
    });
  return cli;
}

/** Prints one error as a sentence, or as JSON; what is no CopyError is a fault of this program. */
function report(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  process.exitCode = 2;
  if (!(error instanceof CopyError)) throw error;
  if (process.argv.includes('--json')) {
    process.stdout.write(
      `${JSON.stringify({ error: error.code, message: error.message }, null, 2)}\n`,
    );
  } else {
    process.stderr.write(`${error.message}\n`);
  }
}

try {
  await program().parseAsync();
} catch (error) {
  report(error);
}

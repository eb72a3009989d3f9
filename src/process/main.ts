// The process: reads the settings, starts the app, prints the banner.
import { ConfigError, parseConfig, type Config } from '../config/config.ts';
import { loadEnvFile } from '../config/env-file.ts';
import { complete } from '../development/defaults.ts';
import { createLog, type Log } from './log.ts';
import { portOf } from './http-server.ts';
import { startApp } from './start.ts';
import { startLines } from './banner.ts';

/** Resolves to a function that closes everything. Exits with code 1 if the app cannot start. */
export async function main(): Promise<() => Promise<void>> {
  try {
    loadEnvFile();
    const settings = parseConfig(process.env);
    const { app, local } = await start(settings, createLog(settings.logLevel));
    return async () => {
      await app.close();
      await local?.close();
    };
  } catch (error) {
    // One line per problem with the settings; for any other error one sentence, never a stack.
    const lines = error instanceof ConfigError ? error.problems : [describe(error)];
    process.stderr.write(`The app cannot start:\n${lines.map((line) => `  ${line}\n`).join('')}`);
    return process.exit(1);
  }
}

async function start(settings: Config, log: Log) {
  const { config, local } = await complete(settings);
  const app = await startApp(config, log);
  process.stdout.write(startLines(config, portOf(app.server), local));
  return { app, local };
}

function describe(error: unknown): string {
  const { code, message, port } = error as { code?: string; message?: string; port?: number };
  if (code === 'EADDRINUSE') return `PORT: ${port} is in use; set another`;
  if (code === 'EACCES' && port !== undefined)
    return `PORT: ${port} needs more privileges; set one above 1023`;
  return message ?? 'unknown error';
}

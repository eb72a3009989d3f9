// The entry: settings, the app, a few lines for whoever started it; closes on SIGTERM and SIGINT.
import dotenv from 'dotenv';
import { ConfigError, parseConfig, type Config } from './config.ts';
import { complete } from './development.ts';
import { createLog, type Log } from './log.ts';
import { closeOnSignal } from './shutdown.ts';
import { portOf, startApp } from './start.ts';
import { startLines } from './start-lines.ts';

async function main(): Promise<void> {
  dotenv.config({ quiet: true });
  const settings = parseConfig(process.env);
  const log = createLog(settings.logLevel);
  const starting = start(settings, log);
  // From the first moment on: an instance may be told to stop while it starts.
  closeOnSignal(async () => {
    const { app, local } = await starting;
    await app.close();
    await local?.close();
  });
  await starting;
}

async function start(settings: Config, log: Log) {
  const { config, local } = await complete(settings);
  const app = await startApp(config, log);
  process.stdout.write(startLines(config, portOf(app.server), local));
  return { app, local };
}

main().catch((error: unknown) => {
  // A settings problem is a line each; anything else is told in one sentence, never as a stack.
  const lines = error instanceof ConfigError ? error.problems : [sentence(error)];
  process.stderr.write(`The app cannot start:\n${lines.map((line) => `  ${line}\n`).join('')}`);
  process.exit(1);
});

function sentence(error: unknown): string {
  const { code, message, port } = error as { code?: string; message?: string; port?: number };
  if (code === 'EADDRINUSE') return `PORT: ${port} is in use; set another`;
  if (code === 'EACCES' && port !== undefined)
    return `PORT: ${port} needs rights; set one above 1023`;
  return message ?? 'unknown error';
}

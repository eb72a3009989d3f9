// Reads .env. A file that exists but cannot be used is reported: the app would otherwise start
// without its settings, and with the local AuthKit.
import { readFileSync } from 'node:fs';
import dotenv from 'dotenv';
import { ConfigError } from './config.ts';

/**
 * Adds the settings in .env to `process.env`; those that are set there already take precedence.
 * @throws ConfigError if .env exists and cannot be read as UTF-8
 */
export function loadEnvFile(): void {
  const problem = problemWith('.env');
  if (problem !== undefined) throw new ConfigError([`.env: ${problem}`]);
  dotenv.config({ quiet: true });
}

function problemWith(file: string): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    return `cannot be read (${code}); make it a file that the user of this process may read`;
  }
  // PowerShell writes UTF-16 by `>`, in which dotenv finds no setting.
  return bytes.includes(0) ? 'is UTF-16; save it as UTF-8' : undefined;
}

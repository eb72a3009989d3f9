// `npm run doctor`: finds common mistakes in the setup before a user does.
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadEnvFile } from '../../config/env-file.ts';
import { examine } from './examine.ts';
import { describe } from './report.ts';

const HELP = `Checks the settings, the issuer, the application, the store and the proxy.

  npm run doctor                      reads the environment and .env, as the app does
  npm run -s doctor -- --json         prints the findings as JSON (-s hides npm's own output)
  npm run doctor -- --token FILE      compares API_AUDIENCE with the access token in FILE, such as
                                      one sent to your API; the token is only read
  npm run doctor -- --copy FOLDER     says which version the copy in this app is of, and which fixes
                                      that matter for security it lacks

Exit code: 0 no problem, 1 a problem or an outdated copy, 2 wrong usage. No secret is shown.
`;

function readEnvironment() {
  loadEnvFile();
  return process.env;
}

/** By the copy command, which builds what it compares with. */
function examineCopy(app: string, json: boolean): number {
  const args = ['run', '-s', 'copy', '--', 'doctor', app, ...(json ? ['--json'] : [])];
  return spawnSync('npm', args, { stdio: 'inherit' }).status ?? 2;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      token: { type: 'string' },
      copy: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.copy !== undefined) return examineCopy(values.copy, values.json);
  const accessToken =
    values.token === undefined ? undefined : (await readFile(values.token, 'utf8')).trim();
  const findings = await examine(readEnvironment, accessToken);
  process.stdout.write(values.json ? `${JSON.stringify(findings, null, 2)}\n` : describe(findings));
  return findings.some(({ status }) => status === 'problem') ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { message = 'unknown error' } = error as { message?: string };
  process.stderr.write(`${message}\n\n${HELP}`);
  process.exitCode = 2;
}

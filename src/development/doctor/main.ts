// `npm run doctor`: finds common mistakes in the setup before a user does.
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

Exit code: 0 no problem, 1 a problem, 2 wrong usage. No secret is shown.
`;

function readEnvironment() {
  loadEnvFile();
  return process.env;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      token: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
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

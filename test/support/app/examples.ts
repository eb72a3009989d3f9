// The servers that the examples call, a local AuthKit and the demo's API, and a way to run an
// example as a process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Issuer } from '../../../src/bearer/index.ts';
import { startTestAuthKit } from '../authkit/local-authkit.ts';
import { type LocalAuthKit } from '../authkit/local-authkit.ts';
import type { LocalAuthKitOptions } from '../../../src/development/local-authkit/start.ts';
import { addApi } from '../../../src/demo/routes/api.ts';
import { compiled } from '../machine/compiled.ts';
import { newApp, serve } from './bearer-app.ts';

export interface World {
  authkit: LocalAuthKit;
  apiUrl: string;
  folder: string;
  env: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

export async function startWorld(options: Partial<LocalAuthKitOptions> = {}): Promise<World> {
  const authkit = await startTestAuthKit({
    redirectUris: ['http://localhost:3000/callback'],
    ...options,
  });
  const { clientId, clientSecrets } = authkit.applications.firstParty;
  const app = newApp();
  const people = new Map(authkit.people.map((person) => [person.sub, person]));
  addApi(app, {
    issuer: new Issuer(authkit.issuer),
    audience: [authkit.environmentClientId],
    clientId,
    clientSecret: clientSecrets[0],
    baseUrl: 'http://localhost:3000',
    findUser: async (sub) => people.get(sub) ?? null,
  });
  const api = await serve(app);
  const folder = await mkdtemp(join(tmpdir(), 'examples-'));
  return {
    authkit,
    apiUrl: api.url,
    folder,
    env: {
      PATH: process.env['PATH'],
      HOME: folder,
      AUTHKIT_ISSUER: authkit.issuer,
      CLI_CLIENT_ID: authkit.applications.commandLine.clientId,
      API_URL: api.url,
    },
    close: async () => {
      await Promise.all([api.close(), authkit.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface Run {
  kill(signal: NodeJS.Signals): void;
  /** The output so far. */
  output(): string;
  /** Resolves once the output matches; rejects when the program ends without it. */
  saw(pattern: RegExp): Promise<RegExpExecArray>;
  /** `code` is the signal's name if one ended the program. */
  ended: Promise<{ code: number | string; stdout: string; stderr: string }>;
}

export interface RunOptions {
  cwd?: string;
  uid?: number;
  /** A shell command that runs first, such as `ulimit -f 0`. */
  shell?: string;
}

/** Runs `examples/<name>/main.ts`. */
export function runExample(
  name: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  { shell = ':', ...options }: RunOptions = {},
): Run {
  const command = [process.execPath, compiled(`examples/${name}/main.ts`), ...args];
  const child = spawn('sh', ['-c', `${shell}; exec "$@"`, 'sh', ...command], { env, ...options });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const closed = once(child, 'close');
  return {
    kill: (signal) => void child.kill(signal),
    output: () => stdout + stderr,
    async saw(pattern) {
      for (;;) {
        const match = pattern.exec(stdout);
        if (match !== null) return match;
        // oxlint-disable-next-line no-await-in-loop -- one chunk of output after the other
        const event = await Promise.race([once(child.stdout, 'data'), closed.then(() => 'closed')]);
        if (event === 'closed' && !pattern.test(stdout)) {
          throw new Error(`Ended without ${String(pattern)}: ${stdout}${stderr}`);
        }
      }
    },
    ended: closed.then(([code, signal]) => ({ code: signal ?? Number(code), stdout, stderr })),
  };
}

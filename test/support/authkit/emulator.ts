// The emulator in WorkOS's command-line tool (npm `workos`), installed when a test needs it: as a
// dependency the tool would bring 190 packages, of which the emulator imports two.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

const TOOL = 'workos-0.14.0';
const IMPORTED = ['hono@4', '@hono/node-server@1'];
const START = `
  import { createEmulator } from './package/dist/emulate/index.js';
  console.log((await createEmulator({ port: 0 })).url);
`;

export interface Emulator {
  /** Calls WorkOS's API; resolves to the JSON of the response, or to nothing. */
  call: (method: string, path: string, body?: object) => Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Installs the emulator into a temporary folder, and starts it in a process of its own. */
export async function startEmulator(): Promise<Emulator> {
  const folder = await mkdtemp(join(tmpdir(), 'workos-emulator-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  await install(folder).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const child = spawn(process.execPath, ['--input-type=module', '-e', START], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const [url] = await Promise.race([once(lines, 'line'), exited]);
  return {
    async call(method, path, body) {
      const headers = {
        authorization: 'Bearer sk_test_default',
        'content-type': 'application/json',
      };
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
      const response = await fetch(new URL(path, String(url)), init);
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
      const text = await response.text();
      return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    },
    async close() {
      child.kill('SIGKILL');
      await exited;
      await remove();
    },
  };
}

async function install(folder: string): Promise<void> {
  const npm = (...args: string[]) =>
    run('npm', [...args, '--prefer-offline', '--fetch-retries=1'], { cwd: folder });
  await npm('pack', '--silent', TOOL.replace('-', '@'));
  await run('tar', ['xzf', `${TOOL}.tgz`], { cwd: folder });
  const options = ['--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--prefix', folder];
  await npm('install', ...options, ...IMPORTED);
}

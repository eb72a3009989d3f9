// The bundled local AuthKit as most tests start it: with a signing key that the files of a process
// share. Making one takes a quarter of a second of the processor.
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  newSigningKey,
  type SigningKey,
} from '../../../src/development/local-authkit/signing-keys.ts';
import {
  startLocalAuthKit,
  type LocalAuthKit,
  type LocalAuthKitOptions,
} from '../../../src/development/local-authkit/start.ts';

export type { LocalAuthKit } from '../../../src/development/local-authkit/start.ts';

let sharedKey: Promise<SigningKey> | undefined;

/** Starts it, on a free port unless `port` is given; without `stateFile`, `close` deletes its state. */
export async function startTestAuthKit(options: LocalAuthKitOptions): Promise<LocalAuthKit> {
  sharedKey ??= newSigningKey();
  const folder = await mkdtemp(join(tmpdir(), 'local-authkit-'));
  const { stateFile = join(folder, 'state.json') } = options;
  if (!existsSync(stateFile)) {
    const state = { version: 1, signingKeys: [await sharedKey] };
    await writeFile(stateFile, JSON.stringify(state), { mode: 0o600 });
  }
  const authKit = await startLocalAuthKit({ port: 0, ...options, stateFile });
  return {
    ...authKit,
    async close() {
      await authKit.close();
      await rm(folder, { recursive: true });
    },
  };
}

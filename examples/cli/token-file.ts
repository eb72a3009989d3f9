// Stores the tokens in a file that only the user can read. If you ship to users, replace it with
// the system's keychain, which also keeps out other programs of the same user.

import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CliError } from './errors.ts';

export interface StoredTokens {
  issuer: string;
  clientId: string;
  /** The display name of the user who signed in. */
  name: string;
  accessToken: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  refreshToken: string | undefined;
}

/** A run that was killed while holding the lock blocks the others for this long. */
const staleAfterMs = 60_000;

export class TokenFile {
  readonly #path: string;
  readonly #issuer: string;
  readonly #clientId: string;

  /** Ignores tokens of another issuer or application in the same file. */
  constructor(path: string, issuer: URL, clientId: string) {
    this.#path = path;
    this.#issuer = issuer.href;
    this.#clientId = clientId;
  }

  async read(): Promise<StoredTokens | undefined> {
    const text = await readFile(this.#path, 'utf8').catch(ignoreMissing);
    const tokens = text === undefined ? undefined : parseTokens(text);
    const isMatch = tokens?.issuer === this.#issuer && tokens.clientId === this.#clientId;
    return isMatch ? tokens : undefined;
  }

  /** Replaces the file atomically: a killed run leaves either the old file or the new one. */
  async write(tokens: Omit<StoredTokens, 'issuer' | 'clientId'>): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    const temporary = `${this.#path}.${randomUUID()}`;
    const file = await open(temporary, 'wx', 0o600);
    try {
      await chmod(temporary, 0o600); // regardless of the umask
      await file.writeFile(
        JSON.stringify({ issuer: this.#issuer, clientId: this.#clientId, ...tokens }),
      );
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#path);
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  /**
   * Runs `work` while no other run holds the lock. A refresh token works only once (RFC 9700 §2.2.2):
   * two runs that use the same one may lose the sign-in.
   */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    const lock = `${this.#path}.lock`;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    for (let waited = 0; !(await take(lock)); waited += 50) {
      if (waited > staleAfterMs) throw new CliError('failed', `Another run is holding ${lock}.`);
      await removeIfStale(lock);
      await pause(50);
    }
    try {
      return await work();
    } finally {
      await rm(lock, { force: true });
    }
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function removeIfStale(lock: string): Promise<void> {
  const held = await stat(lock).catch(ignoreMissing);
  if (held !== undefined && Date.now() - held.mtimeMs > staleAfterMs)
    await rm(lock, { force: true });
}

function parseTokens(text: string): StoredTokens | undefined {
  try {
    const value: Partial<StoredTokens> = JSON.parse(text);
    const { issuer, clientId, name, accessToken, expiresAt, refreshToken } = value;
    if (!issuer || !clientId || !accessToken || !expiresAt) return undefined;
    return { issuer, clientId, name: name ?? '', accessToken, expiresAt, refreshToken };
  } catch {
    return undefined; // truncated or edited by hand: the next sign-in replaces it
  }
}

function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

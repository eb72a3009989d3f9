// Stores the tokens in a file that only the user can read. If you ship to users, replace it with
// the system's keychain, which also keeps out other programs of the same user.

import { realpathSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CliError } from './errors.ts';
import { ifMissing, takeLock } from './lock.ts';

const storedTokens = z.object({
  issuer: z.string(),
  clientId: z.string(),
  /** The display name of the user who signed in. */
  name: z.string(),
  accessToken: z.string(),
  /** Milliseconds since the epoch. */
  expiresAt: z.number(),
  refreshToken: z.string().optional(),
});

export type StoredTokens = z.infer<typeof storedTokens>;
export type NewTokens = Omit<StoredTokens, 'issuer' | 'clientId'>;

/** Each method throws CliError `failed` if the file, its folder or its lock cannot be used. */
export class TokenFile {
  readonly #path: string;
  readonly #issuer: string;
  readonly #clientId: string;

  /** Ignores tokens of another issuer or application in the same file. */
  constructor(path: string, issuer: URL, clientId: string) {
    this.#path = followLink(path);
    this.#issuer = issuer.href;
    this.#clientId = clientId;
  }

  async read(): Promise<StoredTokens | undefined> {
    const text = await this.#readText();
    const tokens = text === undefined ? undefined : parseTokens(text);
    const isMatch = tokens?.issuer === this.#issuer && tokens.clientId === this.#clientId;
    return isMatch ? tokens : undefined;
  }

  async write(tokens: NewTokens): Promise<void> {
    await this.#replace(
      JSON.stringify({ issuer: this.#issuer, clientId: this.#clientId, ...tokens }),
    );
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true }).catch(this.#unusable);
  }

  /** Writes what is there already, so that a full disk is found before there are new tokens. */
  async checkWritable(): Promise<void> {
    const text = await this.#readText();
    await this.#replace(text ?? '');
    if (text === undefined) await this.remove();
  }

  /**
   * Runs `work` while no other run holds the lock. A refresh token works only once (RFC 9700 §2.2.2):
   * two runs that use the same one may lose the sign-in.
   */
  async locked<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 }).catch(this.#unusable);
    const release = await takeLock(`${this.#path}.lock`).catch(this.#unusable);
    try {
      return await work();
    } finally {
      await release();
    }
  }

  #readText(): Promise<string | undefined> {
    return readFile(this.#path, 'utf8').catch(ifMissing(undefined)).catch(this.#unusable);
  }

  /** Atomic: a killed run leaves either the old file or the new one. */
  async #replace(text: string): Promise<void> {
    const temporary = `${this.#path}.new`;
    try {
      await rm(temporary, { force: true }); // of a killed run
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.chmod(0o600); // regardless of the umask
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      this.#unusable(error);
    }
  }

  readonly #unusable = (cause: unknown): never => {
    if (cause instanceof CliError) throw cause;
    const reason = cause instanceof Error ? cause.message : 'unknown error';
    const message = `The token file ${this.#path} cannot be used (${reason}). Set CLI_TOKEN_FILE or --tokens to another.`;
    throw new CliError('failed', message, { cause });
  };
}

/** A link stays in place, and runs that come by different links share one lock. */
function followLink(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // no file yet
  }
}

/** Returns undefined for a file that another program or version wrote: sign in again. */
function parseTokens(text: string): StoredTokens | undefined {
  try {
    return storedTokens.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

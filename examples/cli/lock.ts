// A lock that several runs share through the file system. It is a folder with one file, which is
// named after the owner: to remove that file removes nobody else's lock.

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CliError } from './errors.ts';

/** A run on another machine that was killed, or one that is suspended, blocks the others so long. */
const staleAfterMs = 60_000;

/** Takes the path of the lock; returns a function that releases it. */
export async function takeLock(lock: string): Promise<() => Promise<void>> {
  const owner = `${process.pid}@${hostname()}@${randomUUID()}`;
  for (let waited = 0; !(await take(lock, owner)); waited += 50) {
    if (waited > staleAfterMs) throw new CliError('failed', `Another run is holding ${lock}.`);
    await pause(50);
  }
  // What cannot be removed is soon the lock of a dead run.
  return () => release(lock, owner).catch(() => {});
}

async function take(lock: string, owner: string): Promise<boolean> {
  const [holder] = await readdir(lock).catch(ifMissing([]));
  if (holder !== undefined) {
    if (!(await isStale(lock, holder))) return false;
    await release(lock, holder);
  }
  const own = `${lock}.${owner}`;
  try {
    await mkdir(own, { mode: 0o700 });
    await writeFile(join(own, owner), '');
    await rename(own, lock); // replaces an empty folder only, so one of several runs succeeds
    return true;
  } catch (error) {
    await rm(own, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(error))) return false;
    throw error;
  }
}

async function release(lock: string, owner: string): Promise<void> {
  await rm(join(lock, owner), { force: true });
  await rmdir(lock).catch(() => {}); // not empty: another run has it now
}

async function isStale(lock: string, holder: string): Promise<boolean> {
  const [pid, host] = holder.split('@');
  if (host === hostname() && !isRunning(Number(pid))) return true;
  const held = await stat(join(lock, holder)).catch(ifMissing(undefined));
  return held !== undefined && Date.now() - held.mtimeMs > staleAfterMs;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0); // sends nothing
  } catch (error) {
    return codeOf(error) === 'EPERM'; // the process of another user
  }
}

/** Turns the failure "there is no such file" into this value. */
export function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return value;
    throw error;
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

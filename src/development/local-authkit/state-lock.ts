// Only one process owns a state file: a second local AuthKit would overwrite its changes.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const held = new Set<string>();

/** Returns a function that releases the lock, or undefined while another local AuthKit holds it. */
export function lock(file: string): (() => void) | undefined {
  const path = `${file}.lock`;
  mkdirSync(dirname(path), { recursive: true });
  if (held.has(path) || isOwned(path)) return undefined;
  writeFileSync(path, String(process.pid));
  held.add(path);
  return () => {
    held.delete(path);
    rmSync(path, { force: true });
  };
}

/** A killed process leaves its lock behind; in a container, the next one has the same pid. */
function isOwned(path: string): boolean {
  try {
    const owner = Number(readFileSync(path, 'utf8'));
    return owner !== process.pid && process.kill(owner, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

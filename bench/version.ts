// Another version of this project, to measure beside this one: what a change brought is known only from
// the same run.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from './world.ts';

export interface Version {
  commit: string;
  folder: string;
  remove(): void;
}

/** Builds this commit in a temporary folder, with the packages that it had. */
export function buildVersion(commit: string): Version {
  const folder = mkdtempSync(join(tmpdir(), 'bench-before-'));
  const at = { cwd: folder, stdio: 'inherit' } as const;
  const archive = execFileSync('git', ['archive', commit], { cwd: PROJECT, maxBuffer: Infinity });
  execFileSync('tar', ['-x'], { ...at, stdio: 'pipe', input: archive });
  execFileSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
    at,
  );
  execFileSync('npm', ['run', 'build', '--silent', '--', '--noCheck'], at);
  return { commit, folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

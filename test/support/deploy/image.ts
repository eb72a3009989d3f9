// Carries out a Dockerfile without Docker, which tests cannot rely on: a folder per stage, the same
// commands and files, and this Node instead of the base image, which is not tested.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

// Prefers the npm cache of this machine, so that nothing is fetched twice.
const NPM = {
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
};

interface Stage {
  /** The folder that stands for `/`. */
  root: string;
  workdir: string;
  env: Record<string, string>;
  /** The paths in the stage that do not belong to root. */
  owners: [path: string, uid: number, gid: number][];
  user: string;
  command: string[];
  healthCheck: string[];
}

export interface Image {
  bases: string[];
  /** The folder that stands for `/app`. */
  app: string;
  user: string;
  healthCheck: string[];
  /** Starts a command as the user of the image; default: the image's own command. */
  start(env: Record<string, string>, command?: string[]): ChildProcess;
  remove(): Promise<void>;
}

/** Builds the image with this project as context. Throws on an unknown instruction. */
export async function buildImage(dockerfile: string): Promise<Image> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'image-'));
  await fs.chmod(folder, 0o755);
  const context = await contextOf(`${dockerfile}.dockerignore`);
  const stages = new Map<string, Stage>();
  const bases: string[] = [];
  let stage: Stage | undefined;
  for (const [instruction, rest] of instructions(await fs.readFile(dockerfile, 'utf8'))) {
    if (instruction === 'FROM') {
      const [base = '', , name = 'image'] = rest.split(' ');
      bases.push(base);
      stage = newStage(join(folder, name));
      stages.set(name, stage);
    } else if (stage) {
      await carryOut(instruction, rest, stage, stages, context);
    }
  }
  if (!stage) throw new Error(`${dockerfile} has no stage`);
  const bin = join(folder, 'bin');
  await fs.mkdir(bin);
  await fs.copyFile(process.execPath, join(bin, 'node'));
  await applyOwners(stage);
  return describe(stage, { bases, bin, folder });
}

const newStage = (root: string): Stage => ({
  root,
  workdir: '/',
  env: {},
  owners: [],
  user: '0:0',
  command: [],
  healthCheck: [],
});

function instructions(text: string): [string, string][] {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [, instruction = '', rest = ''] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    return [instruction, rest];
  });
}

/** The names that the ignore file allows; it must start by ignoring everything. */
async function contextOf(ignoreFile: string): Promise<Set<string>> {
  const lines = (await fs.readFile(ignoreFile, 'utf8'))
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  const [first, ...others] = lines;
  if (first !== '*' || others.some((line) => !line.startsWith('!'))) {
    throw new Error(`${ignoreFile} is not an allowlist`);
  }
  return new Set(others.map((line) => line.slice(1)));
}

async function carryOut(
  instruction: string,
  rest: string,
  stage: Stage,
  stages: Map<string, Stage>,
  context: Set<string>,
): Promise<void> {
  const cwd = join(stage.root, stage.workdir);
  switch (instruction) {
    case 'EXPOSE':
      return;
    case 'WORKDIR':
      stage.workdir = rest;
      return void (await fs.mkdir(join(stage.root, rest), { recursive: true }));
    case 'ENV':
      return void Object.assign(stage.env, Object.fromEntries([rest.split('=', 2)]));
    case 'USER':
      return void (stage.user = rest);
    case 'CMD':
      return void (stage.command = JSON.parse(rest) as string[]);
    case 'HEALTHCHECK':
      return void (stage.healthCheck = JSON.parse(rest.replace(/^.*?CMD /, '')) as string[]);
    case 'RUN':
      return void (await run('sh', ['-c', rest], {
        cwd,
        env: { ...process.env, NODE_ENV: '', ...NPM },
      }));
    case 'COPY':
      return copy(rest, stage, stages, context);
    default:
      throw new Error(`unknown instruction ${instruction}`);
  }
}

async function copy(
  rest: string,
  stage: Stage,
  stages: Map<string, Stage>,
  context: Set<string>,
): Promise<void> {
  const words = rest.split(' ');
  const flags = new Map(words.filter((word) => word.startsWith('--')).map(flagOf));
  const paths = words.filter((word) => !word.startsWith('--'));
  const to = paths.pop() ?? '';
  const from = flags.get('from');
  for (const path of paths) {
    if (from === undefined && !context.has(path)) throw new Error(`${path} is not in the context`);
    const target = to === './' ? join(stage.workdir, basename(path)) : join(stage.workdir, to);
    if (from === undefined) await fs.cp(path, join(stage.root, target), { recursive: true });
    // Moved, not copied: it is used once, and packages have thousands of files.
    else await fs.rename(join(stages.get(from)?.root ?? '', path), join(stage.root, target));
    const [uid, gid] = (flags.get('chown') ?? '').split(':').map(Number);
    if (uid && gid) stage.owners.push([target, uid, gid]);
  }
}

function flagOf(word: string): [string, string] {
  const [name = '', value = ''] = word.slice(2).split('=', 2);
  return [name, value];
}

const isRoot = process.getuid?.() === 0;

/** Root's files stay root's; if the tests do not run as root, those files become read-only. */
async function applyOwners({ root, workdir, owners }: Stage): Promise<void> {
  if (!isRoot) {
    const given = new Set(owners.map(([path]) => basename(path)));
    const kept = (await fs.readdir(join(root, workdir))).filter((name) => !given.has(name));
    await run('chmod', ['-R', 'a-w', ...kept.map((name) => join(root, workdir, name))]);
    return fs.chmod(join(root, workdir), 0o555);
  }
  await Promise.all(owners.map(([path, uid, gid]) => fs.chown(join(root, path), uid, gid)));
}

function describe(
  { root, workdir, env, user, command, healthCheck }: Stage,
  { bases, bin, folder }: { bases: string[]; bin: string; folder: string },
): Image {
  const [uid = 0, gid = 0] = user.split(':').map(Number);
  return {
    bases,
    app: join(root, workdir),
    user,
    healthCheck,
    start(settings, [file = '', ...args] = command) {
      return spawn(file, args, {
        cwd: join(root, workdir),
        // PATH has node alone: no shell, no npm.
        env: { PATH: bin, ...env, ...settings },
        ...(isRoot && { uid, gid }),
      });
    },
    async remove() {
      if (!isRoot) await run('chmod', ['-R', 'u+w', folder]);
      await fs.rm(folder, { recursive: true, force: true });
    },
  };
}

// Carries out a Dockerfile by hand, since tests cannot count on a Docker engine: a folder per stage, the
// same commands and files, and this Node in place of the base image, of which it can show nothing.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

// From the cache of this machine where it can be, so that nothing is fetched twice.
const NPM = {
  npm_config_prefer_offline: 'true',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
};

interface Stage {
  /** Where its `/` is. */
  root: string;
  workdir: string;
  env: Record<string, string>;
  /** What is not root's, by path in the stage. */
  owners: [path: string, uid: number, gid: number][];
  user: string;
  command: string[];
  healthCheck: string[];
}

export interface Image {
  bases: string[];
  /** Where `/app` is. */
  app: string;
  user: string;
  healthCheck: string[];
  /** Starts a command as the image's user; without one, as `docker run` would. */
  start(env: Record<string, string>, command?: string[]): ChildProcess;
  remove(): Promise<void>;
}

/** Builds the image of a Dockerfile whose context is this project. Throws on what it does not know. */
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
  await giveAway(stage);
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

/** The names that the ignore file lets in; it starts by keeping everything out. */
async function contextOf(ignoreFile: string): Promise<Set<string>> {
  const lines = (await fs.readFile(ignoreFile, 'utf8'))
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  const [first, ...others] = lines;
  if (first !== '*' || others.some((line) => !line.startsWith('!'))) {
    throw new Error(`${ignoreFile} is no list of what goes in`);
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
      throw new Error(`no way to carry out ${instruction}`);
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
    // Moved: it is taken once, and packages are thousands of files.
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

/** Root's files stay root's; where the tests are not run by root, they are what nobody may write. */
async function giveAway({ root, workdir, owners }: Stage): Promise<void> {
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
        // Nothing but node can be found: no shell, no npm.
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

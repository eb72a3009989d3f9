// The image of deploy/Dockerfile, built by buildah without a daemon. No registry of images is asked:
// the Node, npm and shell of this machine stand in for the base image.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findExecutable, partPath } from '../machine/parts.ts';

const run = promisify(execFile);

const DOCKERFILE = 'deploy/Dockerfile';
const IMAGE = 'authkit-express';
/** What the commands of the Dockerfile, and npm's own script, call. */
const PROGRAMS = ['sh', 'env', 'rm', 'mkdir'];

export interface Image {
  /** The names that the Dockerfile gives after FROM. */
  bases: string[];
  /** The folder of the image's root. */
  root: string;
  config: { User: string; WorkingDir: string; Env: string[]; Cmd: string[] };
  healthCheck: string[];
  /** What the image adds to its base. */
  megabytes: number;
  /** What enters the build, of everything that is in the project. */
  context: string[];
  /** Starts a command as the image's user; default: the image's own command. */
  start(settings: Record<string, string>, options?: StartOptions): ChildProcess;
  remove(): Promise<void>;
}

export interface StartOptions {
  command?: string[];
  isReadOnly?: boolean;
}

type Buildah = (...args: string[]) => Promise<string>;

/** Builds the image with this project as context; only root can. */
export async function buildImage(): Promise<Image> {
  const folder = await fs.mkdtemp(join(tmpdir(), 'image-'));
  // The user of the image has to reach it.
  await fs.chmod(folder, 0o755);
  const policy = join(folder, 'policy.json');
  await fs.writeFile(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const storage = ['--storage-driver', 'vfs', '--root', join(folder, 'images')];
  const buildah: Buildah = async (...args) => {
    const all = [...storage, '--runroot', join(folder, 'run'), ...args];
    const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
    return (await run(partPath('buildah'), all, { env, maxBuffer: 2 ** 24 })).stdout.trim();
  };
  const signatures = ['--signature-policy', policy];
  const bases = [...(await fs.readFile(DOCKERFILE, 'utf8')).matchAll(/^FROM (\S+)/gm)].map(
    ([, name = '']) => name,
  );
  await commitBase(buildah, folder, [...signatures, ...new Set(bases)]);
  const build = ['bud', ...signatures, '--pull-never', '--format', 'docker'];
  const npm = (await npmVolumes(folder)).flatMap((volume) => ['--volume', volume]);
  await buildah(...build, ...npm, '-f', DOCKERFILE, '-t', IMAGE, '.');

  const inspected = await buildah('inspect', '--type', 'image', IMAGE);
  const { Docker } = JSON.parse(inspected) as { Docker: { config: Docker } };
  const root = await buildah('mount', await buildah('from', ...signatures, '--pull-never', IMAGE));
  return {
    bases,
    root,
    config: Docker.config,
    healthCheck: Docker.config.Healthcheck.Test.slice(1),
    megabytes: (await sizeOf(root)) - (await sizeOf(join(folder, 'base'))),
    context: await contextOf(buildah, folder, [...build, '--ignorefile']),
    start: (settings, options) => startIn(root, Docker.config, settings, options),
    remove: async () => {
      await buildah('umount', '--all');
      await fs.rm(folder, { recursive: true, force: true });
    },
  };
}

type Docker = Image['config'] & { Healthcheck: { Test: string[] } };

/** An image of this machine's Node, npm and shell, with the names of the Dockerfile's bases. */
async function commitBase(buildah: Buildah, folder: string, names: string[]): Promise<void> {
  const base = join(folder, 'base');
  const into = async (from: string, to: string) => {
    await fs.mkdir(dirname(join(base, to)), { recursive: true });
    await fs.cp(from, join(base, to), { recursive: true, dereference: true });
  };
  const programs = PROGRAMS.map((name) => findExecutable(name) ?? name);
  for (const program of programs) await into(program, join('/usr/bin', basename(program)));
  await fs.symlink('usr/bin', join(base, 'bin'));
  await into(process.execPath, '/usr/local/bin/node');
  const { stdout } = await run('ldd', [process.execPath, ...programs]);
  const libraries = new Set(stdout.match(/(?<=\s)\/\S+(?= \()/g));
  // A part of glibc that Node does not load, but libsql does.
  const c = [...libraries].find((path) => path.endsWith('/libc.so.6')) ?? '';
  libraries.add(join(dirname(c), 'librt.so.1'));
  for (const library of libraries) await into(library, library);
  const modules = (await run('npm', ['root', '--global'])).stdout.trim();
  await into(join(modules, 'npm'), '/usr/local/lib/node_modules/npm');
  const npm = '../lib/node_modules/npm/bin/npm-cli.js';
  await fs.symlink(npm, join(base, 'usr/local/bin/npm'));
  await fs.mkdir(join(base, 'etc'));
  await fs.writeFile(join(base, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await fs.writeFile(join(base, 'etc/hosts'), '127.0.0.1 localhost\n');
  await fs.mkdir(join(base, 'tmp'));
  await fs.chmod(join(base, 'tmp'), 0o1777);

  const [option = '', policy = '', ...bases] = names;
  const container = await buildah('from', 'scratch');
  await buildah('copy', '--quiet', container, base, '/');
  await buildah('config', '--env', 'PATH=/usr/local/bin:/usr/bin:/bin', container);
  for (const name of bases) await buildah('commit', option, policy, container, name);
  await buildah('rm', container);
}

/** Mounted for the build alone: how npm of this machine reaches its registry, and its cache. */
async function npmVolumes(folder: string): Promise<string[]> {
  const certificates = await npmSetting('cafile');
  const file = join(folder, 'npmrc');
  const lines = [`registry=${await npmSetting('registry')}`, 'prefer-offline=true', 'audit=false'];
  if (certificates !== '') lines.push('cafile=/run/certificates.pem');
  await fs.writeFile(file, `${lines.join('\n')}\n`);
  return [
    `${file}:/root/.npmrc:ro`,
    `${await npmSetting('cache')}:/root/.npm`,
    ...(certificates === '' ? [] : [`${certificates}:/run/certificates.pem:ro`]),
  ];
}

async function npmSetting(name: string): Promise<string> {
  const value = (await run('npm', ['config', 'get', name])).stdout.trim();
  return value === 'null' || value === 'undefined' ? '' : value;
}

/** Copies the whole context into an image of its own, and lists it. */
async function contextOf(buildah: Buildah, folder: string, build: string[]): Promise<string[]> {
  const file = join(folder, 'Context');
  await fs.writeFile(file, 'FROM scratch\nCOPY . /\n');
  await buildah(...build, `${DOCKERFILE}.dockerignore`, '-f', file, '-t', 'context', '.');
  const container = await buildah('from', ...build.slice(1, 4), 'context');
  const names = await fs.readdir(await buildah('mount', container));
  return names.toSorted();
}

async function sizeOf(folder: string): Promise<number> {
  const { stdout } = await run('du', ['--summarize', '--block-size=1M', folder]);
  return parseInt(stdout, 10);
}

// A mount namespace of its own makes the root read-only, as `read_only` does in deploy/compose.yaml.
// Each step replaces the process before it, so a signal reaches the app.
const READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';

function startIn(
  root: string,
  { User, WorkingDir, Env, Cmd }: Docker,
  settings: Record<string, string>,
  { command = Cmd, isReadOnly = false }: StartOptions = {},
): ChildProcess {
  const inside = ['sh', '-c', 'cd "$0" && exec "$@"', WorkingDir, ...command];
  const user = ['setpriv', '--no-new-privs', 'chroot', `--userspec=${User}`, '--groups=', root];
  const readOnly = ['unshare', '--mount', 'sh', '-c', READ_ONLY, root];
  const [file = '', ...args] = [...(isReadOnly ? readOnly : []), ...user, ...inside];
  const env = Object.fromEntries(Env.map((line) => line.split(/=(.*)/s, 2)));
  const path = `${env['PATH']}:/usr/sbin:/sbin`;
  return spawn(file, args, { env: { ...env, PATH: path, ...settings } });
}

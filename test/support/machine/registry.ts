// An npm registry on loopback with the packages that this checkout has installed, so that a test can run
// `npm install` without the network. A package is there in each version installed, also below others.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

interface Manifest {
  name: string;
  version: string;
}

export interface Registry {
  url: string;
  /** What happens to requests for tarballs: sent (the default), refused with 500, or never answered. */
  tarballs: 'send' | 'refuse' | 'hold';
  /** The number of requests for tarballs so far. */
  requested: number;
  /** Ends the requests that were never answered, and refuses later ones. */
  release(): void;
  close(): Promise<void>;
}

/** Starts a registry; close it after the tests. */
export async function startRegistry(): Promise<Registry> {
  const folders = installedPackages(realpathSync('node_modules'));
  const server = createServer((req, res) => {
    const [, name = '', version] =
      /^\/([^/]+(?:\/[^/-][^/]*)?)(?:\/-\/(.+)\.tgz)?$/.exec(decodeURIComponent(req.url ?? '')) ??
      [];
    const versions = folders.get(name);
    // As npm's own registry says: the next installation takes them from npm's cache.
    res.setHeader('cache-control', 'public, max-age=300');
    if (!versions) return res.writeHead(404).end('{}');
    if (version === undefined) return sendPackument(res, registry.url, name, versions);
    registry.requested += 1;
    if (registry.tarballs === 'hold') return undefined;
    const folder = registry.tarballs === 'send' ? versions.get(version) : undefined;
    return folder === undefined ? res.writeHead(500).end() : sendTarball(res, folder);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const registry: Registry = {
    url: `http://127.0.0.1:${port}`,
    tarballs: 'send',
    requested: 0,
    release() {
      registry.tarballs = 'refuse';
      server.closeAllConnections();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return registry;
}

/** The folder of each installed version of each package, below this node_modules. */
function installedPackages(modules: string, found = new Map<string, Map<string, string>>()) {
  const names = readdirSync(modules).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(modules, name)).map((one) => `${name}/${one}`) : [name],
  );
  const folders = names
    .map((name) => join(modules, name))
    .filter((folder) => existsSync(join(folder, 'package.json')));
  for (const folder of folders) {
    const { name, version } = manifestOf(folder);
    found.set(name, (found.get(name) ?? new Map<string, string>()).set(version, folder));
  }
  // Afterwards: of several versions, the first is the one at the top.
  for (const nested of folders.map((folder) => join(folder, 'node_modules'))) {
    if (existsSync(nested)) installedPackages(nested, found);
  }
  return found;
}

const manifestOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

function sendPackument(
  res: ServerResponse,
  url: string,
  name: string,
  folders: Map<string, string>,
) {
  const versions = [...folders].map(([version, folder]) => [
    version,
    { ...manifestOf(folder), dist: { tarball: `${url}/${name}/-/${version}.tgz` } },
  ]);
  const latest = folders.keys().next().value;
  const packument = { name, 'dist-tags': { latest }, versions: Object.fromEntries(versions) };
  return res.setHeader('content-type', 'application/json').end(JSON.stringify(packument));
}

/** npm leaves out the first folder of the paths, whatever its name, and unpacks without gzip too. */
function sendTarball(res: ServerResponse, folder: string) {
  // A third of all files are source maps, and writing files is most of the work of npm.
  const excluded = ['--exclude', 'node_modules', '--exclude', '*.map'];
  const args = ['-cf', '-', ...excluded, '-C', dirname(folder), basename(folder)];
  spawn('tar', args, { stdio: ['ignore', 'pipe', 'inherit'] }).stdout.pipe(res);
}

// The files that are written once and then belong to the app: its settings of sign-in, and for an app
// without one a server file. They lie in the folder starters, where they are compiled and tested.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { App } from './app.ts';
import type { Engine, Folder, Shipped } from './shipped.ts';
import { wireIn, wiringFor } from './wiring.ts';

export interface StarterOptions {
  app: App;
  folders: readonly Folder[];
  engine: Engine;
  /** Where the copied folders are, below the app. */
  folder: string;
  /** Where a server file is written; undefined if the app has one. */
  newServer: string | undefined;
}

/** Prepended to the paths of sign-in where the app has routes with the usual ones. */
export const OTHER_PATHS = '/authkit';

/** The starters for these folders, by their paths below the app. */
export async function startersFor(
  shipped: Shipped,
  options: StarterOptions,
): Promise<Map<string, string>> {
  const { app, folders, folder, newServer } = options;
  const extension = app.language;
  const read = async (name: string) => {
    const from = extension === 'ts' ? join(shipped.root, 'src') : shipped.built;
    const text = await readFile(join(from, 'copy/starters', `${name}.${extension}`), 'utf8');
    return text.replace(/\/\/# sourceMappingURL=.*\n?$/, '');
  };
  const starters = new Map<string, string>();
  const addBesideCopy = async (name: string) => {
    const text = edited(await read(name), options).replaceAll("'../../", "'./");
    starters.set(`${folder}/${name}.${extension}`, text);
  };
  const has = (name: Folder) => folders.includes(name);
  // The local AuthKit alone needs none of them.
  if (!has('auth') && !has('bearer')) return starters;
  await addBesideCopy('env');
  if (has('auth')) await addBesideCopy('setup');
  if (has('bearer')) await addBesideCopy('api');
  if (has('events')) await addBesideCopy('webhooks');
  if (app.express === 4) await addBesideCopy('express-4');
  if (extension === 'js' && app.manifest.type !== 'module') {
    starters.set(`${folder}/package.json`, '{ "type": "module", "private": true }\n');
  }
  if (newServer !== undefined) {
    const text = await read(has('auth') ? 'server' : 'api-server');
    starters.set(newServer, serverFor(text, options, newServer));
  }
  if (app.isNew && has('auth') && has('local-authkit')) {
    starters.set('test/sign-in.test.ts', testFor(await read('sign-in-test')));
  }
  return starters;
}

const STORES: Record<Engine, { imports: string[]; open: string }> = {
  embedded: { imports: [], open: '' },
  redis: {
    imports: [
      '{ connectRedis } from redis-connection/connection',
      '{ redisStore } from redis/store',
    ],
    open: "redisStore(await connectRedis(env('REDIS_URL')))",
  },
  postgres: {
    imports: ['{ connectPostgres } from postgres/client', '{ postgresStore } from postgres/store'],
    open: "postgresStore(await connectPostgres(env('DATABASE_URL')))",
  },
};

/** The setting that this engine needs. */
export const STORE_SETTINGS: Record<Engine, string | undefined> = {
  embedded: undefined,
  redis: 'REDIS_URL',
  postgres: 'DATABASE_URL',
};

function edited(text: string, { app, engine }: StarterOptions): string {
  const store = STORES[engine];
  const withStore =
    engine === 'embedded'
      ? text
      : text
          .replace(/^import \{ openEmbeddedStore \} from '(.*\/store\/).*';$/m, (_, to: string) =>
            store.imports
              .map((line) => line.replace(/ from (.*)/, ` from '${to}$1.${app.language}'`))
              .map((line) => `import ${line};`)
              .join('\n'),
          )
          .replace(/await openEmbeddedStore\(.*?\)/, store.open);
  if (!app.existing.route) return withStore;
  return withStore
    .replace(
      'The redirect URI is BASE_URL + /callback.',
      `The redirect URI is BASE_URL + ${OTHER_PATHS}/callback.`,
    )
    .replace(
      /^( *)baseUrl: .*\n/m,
      (line, indent: string) =>
        `${line}${indent}// This app has a ${app.existing.route?.route} of its own.\n${indent}paths: {${[
          'login',
          'callback',
          'logout',
        ]
          .map((name) => ` ${name}: '${OTHER_PATHS}/${name}'`)
          .join(',')} },\n`,
    );
}

function serverFor(text: string, { app, folders, folder }: StarterOptions, path: string): string {
  const own = folders.includes('auth') ? 'auth' : 'bearer';
  const others = folders.filter((name) => name !== own);
  const extra = wiringFor(app, others, folder, path);
  const from = folder.slice(folder.lastIndexOf('/') + 1);
  const moved = text
    .replaceAll("'../../", `'./${from}/`)
    .replace(/'\.\/(setup|api)\./g, `'./${from}/$1.`);
  return wireIn(moved, extra);
}

const testFor = (text: string) =>
  text
    .replaceAll('../../development/local-authkit/', '../local-authkit/')
    .replace(/(local-authkit\/[\w-]+)\.ts'/g, "$1.js'")
    .replace("'./server.ts'", "'../src/server.ts'");

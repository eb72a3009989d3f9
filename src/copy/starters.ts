// The files that are written once and then belong to the app: its settings of sign-in, and for an app
// without one a server file. They lie in the folder starters, where they are compiled and tested.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { App } from './app.ts';
import type { Engine, Folder, Shipped } from './shipped.ts';
import { withEngine, withSettingsOf } from './starter-edits.ts';
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

/** The starters for these folders, by their paths below the app. */
export async function startersFor(
  shipped: Shipped,
  options: StarterOptions,
): Promise<Map<string, string>> {
  const { app, folders, engine, folder, newServer } = options;
  const extension = app.language;
  const read = async (name: string) => {
    const from = extension === 'ts' ? join(shipped.root, 'src') : shipped.built;
    const text = await readFile(join(from, 'copy/starters', `${name}.${extension}`), 'utf8');
    return text.replace(/\/\/# sourceMappingURL=.*\n?$/, '');
  };
  const starters = new Map<string, string>();
  const edited = (name: string, text: string) =>
    name === 'setup' ? withSettingsOf(app, withEngine(text, engine)) : text;
  const addBesideCopy = async (name: string) => {
    const text = edited(name, await read(name)).replaceAll("'../../", "'./");
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

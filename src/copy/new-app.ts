// package.json and tsconfig.json of a new app.
import { basename } from 'node:path';
import type { App } from './app.ts';
import type { Folder } from './shipped.ts';

/** The scripts of a new app; `dev` needs no account, since the local AuthKit stands in for yours. */
export function newManifest(app: App, folders: readonly Folder[]): string {
  const name = basename(app.root)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '');
  const hasLocalAuthKit = folders.includes('local-authkit');
  const manifest = {
    name: name || 'app',
    version: '0.0.0',
    private: true,
    type: 'module',
    scripts: {
      build: 'tsc',
      ...(hasLocalAuthKit && {
        dev: 'tsc && node local-authkit/main.js -- node dist/server.js',
      }),
      start: 'tsc && node --env-file=.env dist/server.js',
      ...(hasLocalAuthKit &&
        folders.includes('auth') && {
          test: 'tsc && node --import tsx --test --test-force-exit test/sign-in.test.ts',
        }),
    },
    engines: { node: '^20.19 || >=22.12' },
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** What the test of a new app runs with. */
export const testRunner = (folders: readonly Folder[]) =>
  folders.includes('local-authkit') && folders.includes('auth') ? ['tsx'] : [];

export const NEW_TSCONFIG = `${JSON.stringify(
  {
    compilerOptions: {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023'],
      types: ['node'],
      rootDir: 'src',
      outDir: 'dist',
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      rewriteRelativeImportExtensions: true,
      skipLibCheck: true,
    },
    include: ['src'],
  },
  null,
  2,
)}\n`;

// What differs between apps in starters/setup.ts: the store, and what stands beside a login of the app.
import type { App } from './app.ts';
import type { Engine } from './shipped.ts';

/** Prepended to the paths of sign-in where the app has routes with the usual ones. */
export const OTHER_PATHS = '/authkit';

interface OpeningStore {
  /** What is imported from which file below src/store. */
  imports: [what: string, file: string][];
  /** Replaces the line that opens the store. */
  line: string;
}

const OPENING: Record<Exclude<Engine, 'embedded'>, OpeningStore> = {
  redis: {
    imports: [
      ['connectRedis', 'redis-connection/connection'],
      ['redisStore', 'redis/store'],
    ],
    line: "const records = redisStore(await connectRedis(env('REDIS_URL')));",
  },
  postgres: {
    imports: [
      ['connectPostgres', 'postgres/client'],
      ['postgresStore', 'postgres/store'],
    ],
    line: "const records = postgresStore(await connectPostgres(env('DATABASE_URL')));",
  },
  any: {
    imports: [['openStore', 'index']],
    line: [
      'const { store: records } = await openStore({',
      "    redisUrl: process.env['REDIS_URL'],",
      "    databaseUrl: process.env['DATABASE_URL'],",
      "    file: '.data/sessions.db',",
      '  });',
    ].join('\n'),
  },
};

/** The settings by which the app finds its store. */
export const STORE_SETTINGS: Record<Engine, readonly string[]> = {
  embedded: [],
  redis: ['REDIS_URL'],
  postgres: ['DATABASE_URL'],
  any: ['REDIS_URL', 'DATABASE_URL'],
};

/** Opens another store than the SQLite file. */
export function withEngine(text: string, engine: Engine): string {
  if (engine === 'embedded') return text;
  const { imports, line } = OPENING[engine];
  return text
    .replace(/^import .* from '(.*\/store\/)embedded\/store\.(.*)';$/m, (_, folder, extension) =>
      imports
        .map(([what, file]) => `import { ${what} } from '${folder}${file}.${extension}';`)
        .join('\n'),
    )
    .replace(/const records = await openEmbeddedStore.*/, line);
}

/** Keeps out of the way of what the app has already. */
export function withSettingsOf({ existing: { route, passport } }: App, text: string): string {
  const paths = ['login', 'callback', 'logout'].map((name) => `${name}: '${OTHER_PATHS}/${name}'`);
  const added = [
    ...(route
      ? [`// The app has a ${route.route} of its own.`, `paths: { ${paths.join(', ')} },`]
      : []),
    ...(passport
      ? ["// The app's own login sets req.user, and nothing else does.", 'setReqUser: false,']
      : []),
  ];
  return text
    .replace('BASE_URL + /callback.', `BASE_URL + ${route ? OTHER_PATHS : ''}/callback.`)
    .replace(/^( *)baseUrl: .*\n/m, (line, indentation: string) =>
      [line.trimEnd(), ...added.map((one) => indentation + one), ''].join('\n'),
    );
}

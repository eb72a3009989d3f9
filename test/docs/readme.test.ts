// The README and the pages behind it say what the code does: settings, steps of the flows, layout.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig, settings } from '../../src/config/config.ts';
import {
  arrows,
  codeBlocks,
  inlineCode,
  links,
  readText,
  section,
  tableRows,
} from '../support/reading/markdown.ts';

const readme = readText('README.md');
const example = readText('.env.example');
const bare = (cell = '') => cell.replaceAll('`', '');

describe('settings', () => {
  const rows = tableRows(readText('docs/configuration.md'));
  const names = Object.keys(settings.shape);
  const exampleLines = new Map(
    [...example.matchAll(/^# ([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );

  test('docs/configuration.md and .env.example list the settings of the schema', () => {
    expect(rows.map(([name]) => bare(name))).toEqual(names);
    expect([...exampleLines.keys()]).toEqual(names);
  });

  test('both give the defaults that the code has', () => {
    const {
      port,
      scope,
      sessionDb,
      idleSeconds,
      maxSeconds,
      staleSeconds,
      rateLimit,
      logLevel,
      baseUrl,
    } = parseConfig({});
    const defaults: Record<string, string> = {
      OAUTH_SCOPE: scope,
      PORT: String(port),
      SESSION_DB: sessionDb,
      SESSION_IDLE_SECONDS: String(idleSeconds),
      SESSION_MAX_SECONDS: String(maxSeconds),
      SESSION_STALE_SECONDS: String(staleSeconds),
      RATE_LIMIT: String(rateLimit),
      LOG_LEVEL: logLevel,
    };
    for (const [name, value] of Object.entries(defaults)) {
      expect(exampleLines.get(name)).toBe(value);
      expect(bare(rows.find(([row]) => bare(row) === name)?.[2])).toBe(value);
    }
    expect(baseUrl.origin).toBe('http://localhost:3000');
    const ours = {
      AUTHKIT_ISSUER: 'https://forum.authkit.app',
      OAUTH_APP_CLIENT_ID: 'client_01',
      BASE_URL: 'https://support.example.com',
      SESSION_SECRET: 'correct-horse-battery-staple-0123456789',
    };
    const [inProduction, inDevelopment] = ['production', 'development'].map(
      (NODE_ENV) => parseConfig({ ...ours, NODE_ENV }).shutdownGraceSeconds,
    );
    expect(exampleLines.get('SHUTDOWN_GRACE_SECONDS')).toBe(String(inProduction));
    expect(bare(rows.find(([row]) => bare(row) === 'SHUTDOWN_GRACE_SECONDS')?.[2])).toBe(
      `${inProduction}; in development ${inDevelopment}`,
    );
  });

  test('both mark what production requires', () => {
    const missing = [
      ...problems({ NODE_ENV: 'production' }),
      ...problems({ NODE_ENV: 'production', AUTHKIT_ISSUER: 'https://issuer.example' }),
    ];
    const required = names.filter((name) => missing.includes(name));
    const marked = rows.filter(([, , , production]) => production?.startsWith('required'));
    expect(marked.map(([name]) => bare(name))).toEqual(required);

    const paragraphs = example.split('\n\n').filter((text) => /^# [A-Z_]+=/m.test(text));
    const exampleMarked = paragraphs.filter((text) => text.includes('[production]'));
    expect(exampleMarked.map((text) => /^# ([A-Z_]+)=/m.exec(text)?.[1])).toEqual([
      ...required,
      'NODE_ENV',
    ]);
  });
});

function problems(env: Record<string, string>): string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => problem.split(':')[0] ?? '');
  }
}

describe.each([
  ['README.md', 'How one sign-in goes'],
  ['docs/flows.md', 'How one refresh goes'],
  ['docs/flows.md', 'How one sign-out goes'],
])('%s, %s', (page, title) => {
  const text = section(readText(page), title);
  const rows = tableRows(text).map(([steps = '', , where = '']) => ({
    steps: steps.split(', ').map(Number),
    where,
  }));

  test('has each arrow of the diagram in its steps, the rows in the order of their first', () => {
    const [diagram = ''] = codeBlocks(text, 'mermaid');
    const numbers = new Set(rows.flatMap(({ steps }) => steps));
    expect([...numbers].toSorted((a, b) => a - b)).toEqual(
      arrows(diagram).map((_arrow, index) => index + 1),
    );
    const firsts = rows.map(({ steps }) => steps[0] ?? 0);
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
  });

  test('names functions that are in the files it names', () => {
    const missing = rows.flatMap(({ where }) =>
      [...where.matchAll(/\]\(([^)]+)\):((?:`\w+`(?:, )?)+)/g)].flatMap(([, file = '', list]) =>
        inlineCode(list ?? '').filter(
          (name) => !defines(readText(join(dirname(page), file)), name),
        ),
      ),
    );
    expect(missing).toEqual([]);
    expect(rows.every(({ where }) => where.includes('`'))).toBe(true);
  });
});

test('a sign-in is seven files, in the order in which src/auth names them', () => {
  const table = tableRows(section(readme, 'How one sign-in goes'));
  const files = table.flatMap(([, , where = '']) => links(where));
  expect(files).toHaveLength(7);
  const [header = ''] = readText('src/auth/index.ts').split('\nimport ');
  const places = files.map((file) => header.indexOf(file.replace('src/auth/', '')));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test('the costs of a page are those of docs/benchmark.md', () => {
  const shares = [
    'this project, embedded, as bytes',
    'this project, embedded',
    'mod_auth_openidc (C, Apache)',
    'documented set-up (MemoryStore)',
    'express-openid-connect',
    'better-auth',
    '@auth/express',
  ];
  const measured = tableRows(section(readText('docs/benchmark.md'), 'A protected page'));
  const costs = shares.map((share) => {
    const [, , toBare] = measured.find(([name]) => name === share) ?? [];
    return (1 / Number.parseFloat(toBare ?? '')).toPrecision(2);
  });
  expect(tableRows(section(readme, 'What it costs'))).toEqual([costs]);
});

test('the layout names all folders, and files that exist', () => {
  const [tree = ''] = codeBlocks(section(readme, 'Layout'), '');
  const paths = tree.split('\n').flatMap((line) => line.split(/ {2,}/)[0] ?? []);
  const named = paths.flatMap((path) => path.split(', ')).filter(Boolean);
  expect(named.filter((path) => !existsSync(path))).toEqual([]);
  const ignored = readText('.gitignore').split('\n');
  const folders = ['', 'src/'].flatMap((parent) =>
    readdirSync(parent || '.', { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => `${parent}${name}`),
  );
  const ours = folders.filter((folder) => folder !== 'src' && !ignored.includes(`${folder}/`));
  expect(named).toEqual(expect.arrayContaining(ours));
});

/** Whether the source has a function, method or arrow function of this name. */
function defines(source: string, name: string): boolean {
  return new RegExp(
    `(?:function |(?:const|override) )${name}\\b|^ +(?:async |override )*#?${name}\\(`,
    'm',
  ).test(source);
}

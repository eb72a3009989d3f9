// The documents list exactly the error codes and log events that exist.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SIGN_IN_ERROR_CODES, SignInError } from '../../src/auth/index.ts';
import { ADVICE } from '../../src/demo/advice.ts';
import { EVENT_ERROR_CODES } from '../../src/events/index.ts';
import { PAGE_ERROR_CODES } from '../../src/demo/errors.ts';
import { inlineCode, readText, section, tableRows } from '../support/reading/markdown.ts';

const bare = (cell = '') => cell.replaceAll('`', '');

describe('error codes', () => {
  const text = readText('docs/troubleshooting.md');
  const codesOf = (title: string) =>
    tableRows(section(text, title)).map(([code]) => bare(code ?? ''));
  const lists = {
    'Signing in, and pages that need it': SIGN_IN_ERROR_CODES,
    'Other pages': PAGE_ERROR_CODES,
    'The API': inSource('src/bearer/errors.ts', /^ {2}(\w+): \{ status: \d+/gm),
    'Webhooks and logout tokens': EVENT_ERROR_CODES,
    'The copy command': inSource('src/copy/errors.ts', /^ {2}\| '(\w+)'/gm),
    'The session store': inSource('src/store/errors.ts', /^ {2}\| '(\w+)'/gm),
  };

  test.each(Object.entries(lists))('of "%s" are all listed, and no others', (title, codes) => {
    expect(codes.length).toBeGreaterThan(4);
    expect(codesOf(title).toSorted()).toEqual(codes);
  });
});

test('docs/troubleshooting.md has the same texts as the error pages of sign-in', () => {
  const text = section(readText('docs/troubleshooting.md'), 'Signing in, and pages that need it');
  const told = tableRows(text).map((cells) => cells.map(bare));
  const said = SIGN_IN_ERROR_CODES.map((code) => [
    code,
    new SignInError(code).message,
    ADVICE[code],
  ]);
  expect(told).toEqual(said);
});

/** Fields that src/process adds to the events of the copied folders. */
const ADDED: unknown[] = ['err', 'hint'];

function inSource(file: string, pattern: RegExp): string[] {
  return [...readText(file).matchAll(pattern)].map(([, code = '']) => code).toSorted();
}

describe('log events', () => {
  const rows = tableRows(readText('docs/log-events.md'));
  const types = ['auth/events.ts', 'bearer/errors.ts', 'events/types.ts', 'store/types.ts'].map(
    (file) => readText(`src/${file}`),
  );
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !/^development\/(?:local-authkit|doctor)/.test(name))
    .map((name) => readText(join('src', name)));

  test('are all listed, and no others', () => {
    const named = sources.flatMap((text) => [...text.matchAll(/event: '(\w+)'/g)]);
    const events = new Set(named.map(([, event = '']) => event));
    expect(rows.map(([event]) => bare(event)).toSorted()).toEqual([...events].toSorted());
  });

  test('have the fields of their types', () => {
    const text = types.join('\n').replaceAll(/\s+/g, ' ');
    const declared = [...text.matchAll(/\{ event: '(\w+)'((?:; \w+\??: [^;}]+)*);? \}/g)];
    expect(declared.length).toBeGreaterThan(18);
    for (const [, event = '', list = ''] of declared) {
      const fields = [...list.matchAll(/; (\w+)\??:/g)].map(([, field]) => field);
      const told = rows.find(([name]) => bare(name) === event)?.[1] ?? '';
      expect(
        inlineCode(told).filter((field) => fields.includes(field) || !ADDED.includes(field)),
        event,
      ).toEqual(fields);
    }
  });
});

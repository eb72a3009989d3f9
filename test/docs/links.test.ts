// The links, headings, paths and commands that the documents name exist.
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RECORD_FILE } from '../../src/copy/record.ts';
import {
  anchors,
  codeBlocks,
  inlineCode,
  links,
  markdownFiles,
  readText,
} from '../support/reading/markdown.ts';

const FOLDERS = [
  'src',
  'test',
  'docs',
  'scripts',
  'views',
  'public',
  'examples',
  'bench',
  'deploy',
];
/** The names of all files, without their folders. */
const fileNames = new Set(
  ['.', ...FOLDERS, '.github'].flatMap((folder) =>
    readdirSync(folder, { recursive: folder !== '.', encoding: 'utf8' }).map((path) =>
      basename(path),
    ),
  ),
);

/** Whether a file or folder of this path exists, or a file of this name; true for other words. */
function isThere(word: string): boolean {
  if (word === RECORD_FILE) return true; // in an app
  if (/^[\w.-]+\.(?:ts|mjs|md|json|eta|css|ya?ml)$/.test(word)) return fileNames.has(word);
  const [folder = '', ...rest] = word.split('/');
  if (rest.length === 0 || ![...FOLDERS, '.github', 'dist'].includes(folder)) return true;
  // A built file counts as existing when its source does.
  return existsSync(folder === 'dist' ? word.replace('dist', 'src').replace(/js$/, 'ts') : word);
}

describe.each(markdownFiles())('%s', (file) => {
  const text = readText(file);

  test('links to files and headings that exist', () => {
    const local = links(text).filter((address) => !/^[a-z]+:/.test(address));
    const broken = local.filter((address) => {
      const [path = '', anchor] = address.split('#');
      const target = path === '' ? file : join(dirname(file), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchors(readText(target)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('names paths that exist', () => {
    const commands = ['', 'sh'].flatMap((language) => codeBlocks(text, language));
    const words = [...inlineCode(text), ...commands].flatMap((code) => code.split(/[\s,]+/));
    // docs/testing-your-copy.md names a test of the copier's own app.
    const ours = words.filter((word) => word !== 'test/app.test.ts');
    expect(ours.filter((word) => !isThere(word))).toEqual([]);
  });

  test('names commands that exist', () => {
    const { scripts } = JSON.parse(readText('package.json')) as { scripts: object };
    const commands = [...text.matchAll(/npm run(?: -s)? ([\w:-]+)/g)].map(([, name]) => name ?? '');
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
  });
});

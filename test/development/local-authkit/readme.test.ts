// The table of what the local AuthKit imitates says for each row how it is known, so that no guess
// is taken for a fact.
import { expect, test } from 'vitest';
import { inlineCode, readText, section, tableRows } from '../../support/reading/markdown.ts';

const text = section(
  readText('src/development/local-authkit/README.md'),
  'What it imitates, and what it does not',
);
const marks = [...text.matchAll(/^- `(\w+)`: /gm)].map(([, mark]) => mark);
const rows = tableRows(text);
const marksOf = (cell: string) => inlineCode(cell).filter((word) => marks.includes(word));

test('each mark is explained and used', () => {
  expect(marks).toEqual(['documented', 'seen', 'assumed']);
  const used = rows.flatMap(([, , mark = '']) => inlineCode(mark));
  expect(new Set(used)).toEqual(new Set(marks));
});

test.each(rows)('the row "%s" has exactly one mark, in its column', (...cells) => {
  expect(cells).toHaveLength(4);
  expect(cells.map((cell) => marksOf(cell).length)).toEqual([0, 0, 1, 0]);
  expect(cells[2]).toMatch(/^`\w+`$/);
});

// Reads Markdown documents: sections, tables, code blocks, links and diagrams.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export const readText = (path: string) => readFileSync(path, 'utf8');

function markdownIn(folder: string, recursive: boolean): string[] {
  return readdirSync(folder, { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => (folder === '.' ? name : `${folder}/${name}`));
}

/** The path of every Markdown file of the project. */
export function markdownFiles(): string[] {
  const folders = ['docs', '.github', 'src', 'examples', 'bench', 'deploy'].filter((folder) =>
    existsSync(folder),
  );
  return [...markdownIn('.', false), ...folders.flatMap((folder) => markdownIn(folder, true))];
}

/** The text from the heading with this title to the next heading of its level or above. */
export function section(markdown: string, title: string): string {
  const lines = markdown.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === title);
  if (start === -1) throw new Error(`no section "${title}"`);
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 1;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => new RegExp(`^#{1,${level}} `).test(line));
  return rest.slice(0, end === -1 ? undefined : end).join('\n');
}

/** The rows of all tables in a text without the header rows; each row is a list of cells. */
export function tableRows(markdown: string): string[][] {
  const lines = markdown.split('\n');
  return lines.flatMap((line, index) => {
    if (!line.startsWith('| ') || line.startsWith('| ---')) return [];
    if (lines[index + 1]?.startsWith('| ---')) return [];
    return [
      line
        .replace(/^\| | \|$/g, '')
        .split('|')
        .map((cell) => cell.trim()),
    ];
  });
}

/** The code blocks of a text in this language; '' for none. */
export function codeBlocks(markdown: string, language: string): string[] {
  const blocks = [...markdown.matchAll(/^```(\w*)\n([^]*?)^```$/gm)];
  return blocks.filter(([, name]) => name === language).map(([, , code = '']) => code);
}

const withoutBlocks = (markdown: string) => markdown.replaceAll(/^```[^]*?^```$/gm, '');

/** The inline code of a text, without code blocks. */
export function inlineCode(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** The URLs of links and pictures, without code blocks. */
export function links(markdown: string): string[] {
  const prose = withoutBlocks(markdown);
  const found = [
    ...prose.matchAll(/\]\(([^)\s]+)\)/g),
    ...prose.matchAll(/(?:src|srcset|href)="([^"]+)"/g),
  ];
  return found.map(([, address = '']) => address);
}

/** The anchors that GitHub makes of a document's headings. */
export function anchors(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

export interface Arrow {
  from: string;
  to: string;
  isResponse: boolean;
  text: string;
}

/** The arrows of a Mermaid sequence diagram, in order. */
export function arrows(diagram: string): Arrow[] {
  const found = [...diagram.matchAll(/^ *(\w)(--?)(?:>>|\))(\w): (.*)$/gm)];
  return found.map(([, from = '', line, to = '', text = '']) => ({
    from,
    to,
    isResponse: line === '--',
    text,
  }));
}

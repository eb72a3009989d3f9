// examples/mcp/README.md runs verbatim: the curl lines, and a copy beside src/bearer.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSettings } from '../../examples/mcp/settings.ts';
import { compileHost, copyFolders, installPackages } from '../support/app/copied-app.ts';
import { startMcpWorld } from '../support/app/mcp-world.ts';
import type { McpWorld } from '../support/app/mcp-world.ts';
import {
  codeBlocks,
  inlineCode,
  readText,
  section,
  tableRows,
} from '../support/reading/markdown.ts';

const run = promisify(execFile);
const page = readText('examples/mcp/README.md');
let folder: string;
let world: McpWorld;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-'));
  world = await startMcpWorld();
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

test('the curl lines get the statuses in their comments', async () => {
  const client = world.newClient('openid profile email offline_access');
  await client.connectAs('Bruno Okafor');
  const tokens = join(folder, 'tokens.json');
  await writeFile(tokens, JSON.stringify({ accessToken: client.kept?.access_token }));
  const [block = ''] = codeBlocks(page, 'sh');
  const script = block
    .replaceAll('http://localhost:3200', new URL(world.url).origin)
    .replaceAll('.data/mcp.json', tokens);
  const { stdout } = await run('sh', ['-ec', script]);
  const said = [...block.matchAll(/# (\d{3})$/gm)].map(([, status]) => status);
  const got = [...stdout.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  expect(said).toHaveLength(4);
  expect(got).toEqual(said);
});

test('the table has the settings and their defaults', () => {
  const rows = tableRows(section(page, 'Use your AuthKit')).map((cells) =>
    cells.map((cell) => inlineCode(cell).at(-1) ?? ''),
  );
  const { issuer, mcpUrl, port } = readSettings({});
  expect(rows.map(([name, , value]) => [name, value])).toEqual([
    ['AUTHKIT_ISSUER', issuer.origin],
    ['MCP_URL', mcpUrl],
    ['PORT', String(port)],
  ]);
});

test('a copy compiles and starts beside src/bearer', { timeout: 120_000 }, async () => {
  const copying = section(page, 'Copy it into your app');
  await copyFolders(copying, '.', folder);
  await installPackages(copying, folder);
  const [, files = ''] = /^In (.+), change/m.exec(copying) ?? [];
  const [from = '', to = ''] = inlineCode(/change .+$/m.exec(copying)?.[0] ?? '');
  for (const file of inlineCode(files)) {
    const path = join(folder, 'src/mcp', file);
    // oxlint-disable-next-line no-await-in-loop -- three small files
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll(from, to));
  }
  expect(await compileHost("import './mcp/main.ts';\n", folder)).toBe('');
  const started = run(process.execPath, ['dist/server.js'], {
    cwd: folder,
    env: { MCP_URL: world.url },
  });
  await expect(started).rejects.toThrow('EADDRINUSE');
});

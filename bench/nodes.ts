// Pages and the API on other versions of Node, which npm has as packages.
import { execFileSync } from 'node:child_process';
import { installNode } from '../scripts/node-packages.ts';
import { measureApi, type ApiRow } from './api.ts';
import { measurePages, type PageRow } from './pages.ts';
import type { TurnPlan } from './turns.ts';
import { createWorld } from './world.ts';

const MAJORS = [20, 22, 24];

export interface NodeRow {
  version: string;
  pages: PageRow[];
  api: ApiRow[];
}

/** Measures on each of them; ratios are to bare Express on the same Node. */
export async function measureNodes(peersFolder: string, plan: TurnPlan): Promise<NodeRow[]> {
  const rows: NodeRow[] = [];
  for (const major of MAJORS) {
    const node = installNode(major);
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    const world = await createWorld(peersFolder, node);
    try {
      const once = { ...plan, starts: 1 };
      const { rows: pages } = await measurePages(world, once, 'none');
      rows.push({ version, pages, api: await measureApi(world, once, 'own') });
    } finally {
      await world.close();
    }
  }
  return rows;
}

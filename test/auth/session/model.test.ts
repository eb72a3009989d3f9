// Random sequences of everything that happens to a session, on two instances over one store,
// compared with a model of forty lines.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  assert,
  type AsyncCommand,
  asyncModelRun,
  asyncProperty,
  commands,
  nat,
  tuple,
} from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openStore } from '../../../src/store/index.ts';
import { passMonotonic } from '../../support/clock/monotonic.ts';
import { startEngine } from '../../support/store/engines.ts';
import { startRotatingIssuer } from '../../support/authkit/rotating-issuer.ts';
import { Model } from '../../support/store/session-model.ts';
import { World } from '../../support/store/session-world.ts';
import { availableEngines } from '../../support/machine/with-parts.ts';

vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
afterAll(() => void vi.useRealTimers());

function pass(model: Model, seconds: number): void {
  passMonotonic(seconds * 1_000);
  vi.setSystemTime(Date.now() + seconds * 1_000);
  model.pass(seconds);
}

const statusOf = (isShown: boolean) => (isShown ? 200 : 401);

type Run = (model: Model, world: World, browser: number, host: number) => Promise<void>;
type Check = (model: Model, browser: number) => boolean;

/** A command that runs if `check` is true; AuthKit then has seen as many refreshes as the model. */
const command = (name: string, check: Check, run: Run) =>
  tuple(nat(2), nat(1)).map(([browser, host]): AsyncCommand<Model, World> => ({
    check: (model) => check(model as Model, browser),
    async run(model, world) {
      await run(model, world, browser, host);
      expect(world.rotating.refreshes()).toBe(model.exchanges);
    },
    toString: () => `${name} ${browser}@${host}`,
  }));

const always: Check = () => true;
const isAlive: Check = (model, browser) => model.isAlive(browser);

/** Lets time pass until the browser's token is due. */
function makeDue(model: Model, browser: number): void {
  if (!model.isDue(browser)) pass(model, 240);
}

const COMMANDS = [
  command(
    'sign in',
    (model, browser) => !model.isAlive(browser),
    async (model, world, browser, host) => {
      model.signIn(browser);
      expect(await world.signIn(browser, host)).toBe(200);
    },
  ),
  command('visit', always, async (model, world, browser, host) => {
    const isShown = model.visit(browser);
    expect((await world.visit(browser, host)).status).toBe(statusOf(isShown));
  }),
  command('visit six times at once', always, async (model, world, browser) => {
    const status = statusOf(model.visit(browser));
    const pages = await Promise.all([0, 1, 0, 1, 0, 1].map((host) => world.visit(browser, host)));
    expect(pages.map((page) => page.status)).toEqual(pages.map(() => status));
  }),
  command('four minutes pass', always, async (model) => pass(model, 240)),
  command('sign out', isAlive, async (model, world, browser, host) => {
    expect(await world.post(browser, host, '/logout')).toBe(303);
    model.end(browser);
  }),
  command('sign out everywhere', isAlive, async (model, world, browser, host) => {
    const isShown = model.visit(browser);
    expect(await world.post(browser, host, '/everywhere')).toBe(303);
    if (isShown) for (const other of [0, 1, 2]) model.end(other);
  }),
  command('sign out during an exchange', isAlive, async (model, world, browser, host) => {
    makeDue(model, browser);
    const visit = world.visit(browser, 1 - host);
    expect(await world.post(browser, host, '/logout')).toBe(303);
    expect([200, 401]).toContain((await visit).status);
    model.end(browser);
    // Either may have come first.
    expect(world.rotating.refreshes() - model.exchanges).toBeLessThanOrEqual(1);
    model.exchanges = world.rotating.refreshes();
    expect((await world.visit(browser, host)).status).toBe(401);
  }),
  command('AuthKit ends the grant', isAlive, async (model, world, browser) => {
    world.endGrant(browser);
    model.endGrant(browser);
  }),
  command('visit while AuthKit fails', isAlive, async (model, world, browser, host) => {
    makeDue(model, browser);
    world.rotating.mode = 'fail';
    expect((await world.visit(browser, host)).status).toBe(200);
    world.rotating.mode = 'respond';
    model.exchanges += 1;
    pass(model, 31);
  }),
  command(
    'crash during an exchange',
    (model, browser) =>
      model.isAlive(browser) && !model.isGrantEnded(browser) && !model.isSlowPageOpen,
    async (model, world, browser, host) => {
      makeDue(model, browser);
      await world.crashDuringExchange(browser, host);
      model.exchanges += 1;
      pass(model, 6);
    },
  ),
  command(
    'begin a slow page',
    (model, browser) => model.isAlive(browser) && !model.isDue(browser) && !model.isSlowPageOpen,
    async (model, world, browser, host) => {
      await world.beginSlowPage(browser, host);
      model.isSlowPageOpen = true;
    },
  ),
  command(
    'end the slow page',
    (model) => model.isSlowPageOpen,
    async (model, world) => {
      expect(await world.endSlowPage()).toBe(200);
      model.isSlowPageOpen = false;
    },
  ),
];

describe.each(availableEngines())('two instances over %s', (engine) => {
  let folder: string;
  let world: World;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'session-model-'));
    const server = await startEngine(engine);
    const { store } = await openStore({ ...server?.options, file: join(folder, 'sessions.db') });
    world = new World(await startRotatingIssuer(), store, server);
  });
  afterAll(async () => {
    await world.close();
    await rm(folder, { recursive: true });
  });

  async function setup() {
    await world.begin();
    return { model: new Model(world.rotating.refreshes()), real: world };
  }

  it('behave like the model in any order of events', { timeout: 90_000 }, async () => {
    const runs = asyncProperty(commands(COMMANDS, { maxCommands: 60, size: '+1' }), (sequence) =>
      asyncModelRun(setup, sequence),
    );
    await assert(runs, { numRuns: 40, seed: 20_261_124 });
  });
});

// The real system that is compared with the model: two instances, three browsers, one issuer, one
// store.
import { vi } from 'vitest';
import type { Store } from '../../../src/store/index.ts';
import { Browser, type Page } from '../browser/browser.ts';
import type { TestEngine } from './engines.ts';
import type { RotatingIssuer } from '../authkit/rotating-issuer.ts';
import { startHost, type Host } from '../app/session-hosts.ts';

export class World {
  readonly rotating: RotatingIssuer;
  readonly #store: Store;
  readonly #server: TestEngine | undefined;
  readonly #hosts: Host[] = [];
  #browsers = new Map<number, Browser>();
  #chains = new Map<number, string>();
  /** Ends the slow pages that are open. */
  #endSlow: (() => void)[] = [];
  #slowPage: Promise<Page> | undefined;

  constructor(rotating: RotatingIssuer, store: Store, server: TestEngine | undefined) {
    this.rotating = rotating;
    this.#store = store;
    this.#server = server;
  }

  /** Starts a run with new browsers; the instances and their memory stay. */
  async begin(): Promise<void> {
    this.#browsers = new Map();
    this.#chains = new Map();
    this.rotating.mode = 'respond';
    await this.endSlowPage();
    for (const host of [0, 1]) if (!this.#hosts[host]) await this.start(host);
  }

  async start(host: number): Promise<void> {
    const isOver = () => new Promise<void>((resolve) => void this.#endSlow.push(resolve));
    this.#hosts[host] = await startHost(this.rotating.issuer, this.#store, isOver);
  }

  browser(number: number): Browser {
    const browser = this.#browsers.get(number) ?? new Browser();
    this.#browsers.set(number, browser);
    return browser;
  }

  url = (host: number, path = '/me') => `${this.#hosts[host]?.url}${path}`;

  visit = (browser: number, host: number) => this.browser(browser).fetch(this.url(host));

  async signIn(browser: number, host: number): Promise<number> {
    let status = 0;
    const chain = await this.rotating.duringSignIn(async () => {
      status = (await this.browser(browser).open(this.url(host))).status;
    });
    this.#chains.set(browser, chain);
    return status;
  }

  async post(browser: number, host: number, path: string): Promise<number> {
    const from = this.url(host);
    return (await this.browser(browser).post(this.url(host, path), {}, { from })).status;
  }

  endGrant = (browser: number) => this.rotating.endChain(this.#chains.get(browser) ?? '');

  /** Uses a separate window, so that the cookie of a late response has no effect on the browser. */
  async beginSlowPage(number: number, host: number): Promise<void> {
    const window = new Browser();
    window.jar.copyFrom(this.browser(number).jar);
    this.#slowPage = window.fetch(this.url(host, '/slow'));
    await vi.waitFor(() => {
      if (this.#endSlow.length === 0) throw new Error('the slow page has not begun');
    });
  }

  async endSlowPage(): Promise<number> {
    for (const end of this.#endSlow.splice(0)) end();
    const page = await this.#slowPage;
    this.#slowPage = undefined;
    return page?.status ?? 0;
  }

  /** The instance crashes after its refresh token is spent, and a new one replaces it. */
  async crashDuringExchange(browser: number, host: number): Promise<void> {
    const before = this.rotating.refreshes();
    this.rotating.mode = 'hold';
    const lost = this.visit(browser, host).catch(() => 'no response');
    await vi.waitFor(() => {
      if (this.rotating.refreshes() === before) throw new Error('the exchange has not begun');
    });
    this.#hosts[host]?.crash();
    await lost;
    this.rotating.mode = 'respond';
    await this.start(host);
    // The lease must expire: the test's clock does it in a file, but a server has its own clock.
    await this.#server?.endLeases();
  }

  async close(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.close()));
    await this.rotating.issuer.close();
    await this.#store.close();
    await this.#server?.close();
  }
}

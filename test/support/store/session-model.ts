// The model of a session with which auth/session/model.test.ts compares two instances over one
// store. It has no lock, no store and no instance, since none of them may be visible to users.

const DUE_AFTER_SECONDS = 240;

export class Model {
  /** The number of refreshes that AuthKit has seen. */
  exchanges: number;
  /** A browser waits for a slow page. */
  isSlowPageOpen = false;
  private readonly sessions = new Map<number, { tokenAge: number; isGrantEnded: boolean }>();

  constructor(exchanges: number) {
    this.exchanges = exchanges;
  }

  isAlive = (browser: number) => this.sessions.has(browser);
  isDue = (browser: number) => (this.sessions.get(browser)?.tokenAge ?? 0) >= DUE_AFTER_SECONDS;
  isGrantEnded = (browser: number) => this.sessions.get(browser)?.isGrantEnded === true;

  signIn(browser: number): void {
    this.sessions.set(browser, { tokenAge: 0, isGrantEnded: false });
  }

  /** One visit, or several at once; returns whether the page is shown. */
  visit(browser: number): boolean {
    const session = this.sessions.get(browser);
    if (session && this.isDue(browser)) {
      this.exchanges += 1;
      session.tokenAge = 0;
      if (session.isGrantEnded) this.end(browser);
    }
    return this.isAlive(browser);
  }

  end(browser: number): void {
    this.sessions.delete(browser);
  }

  endGrant(browser: number): void {
    const session = this.sessions.get(browser);
    if (session) session.isGrantEnded = true;
  }

  pass(seconds: number): void {
    for (const session of this.sessions.values()) session.tokenAge += seconds;
  }
}

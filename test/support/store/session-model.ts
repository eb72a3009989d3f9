// What a session is, in forty lines: the model that auth/session/model.test.ts holds two instances over
// one store against. It knows no lock, no store and no instance: nobody should notice those.

const DUE_AFTER_SECONDS = 240;

export class Model {
  /** How many exchanges AuthKit has seen. */
  exchanges: number;
  /** Somebody waits for a slow page. */
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

  /** One visit, or many at once; true when the page is shown. */
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

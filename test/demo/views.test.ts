// Every view, rendered by Express and shown in a real Chromium: well-formed, escaped, readable in
// light, dark and narrow windows, and usable by keyboard and screen reader.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import express from 'express';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import * as words from '../../src/demo/format.ts';
import { createViewEngine } from '../../src/demo/view-engine.ts';
import {
  axeViolations,
  launchChromium,
  newPage,
  overflow,
  show,
} from '../support/browser/chromium.ts';
import { FIXTURES, HOSTILE } from '../support/reading/view-fixtures.ts';
import { withParts } from '../support/machine/with-parts.ts';

const { describe, it } = withParts('Chromium');

const names = Object.keys(FIXTURES);
let server: Server;
let origin: string;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  const app = express();
  const views = fileURLToPath(new URL('../../views', import.meta.url));
  app.set('views', views).set('view engine', 'eta').engine('eta', createViewEngine(views, true));
  Object.assign(app.locals, words);
  app.use('/assets', express.static(new URL('../../public', import.meta.url).pathname));
  app.get('/:name', (req, res) => {
    const { view, data } = FIXTURES[req.params.name] ?? { view: '', data: {} };
    res.set('Content-Security-Policy', "default-src 'none'; style-src 'self'; img-src 'self'");
    res.render(view, data);
  });
  server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await launchChromium();
  page = await newPage(browser);
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

const address = (name: string) => `${origin}/${encodeURIComponent(name)}`;

/** Opens a fixture in the page that all tests share, with default media settings. */
async function open(name: string): Promise<void> {
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  const response = await page.goto(address(name));
  expect(response?.status()).toBe(200);
}

it('every view has a fixture', async () => {
  const views = (await readdir(new URL('../../views', import.meta.url)))
    .filter((file) => file.endsWith('.eta'))
    .map((file) => file.replace('.eta', ''));
  expect(new Set(Object.values(FIXTURES).map(({ view }) => view))).toEqual(new Set(views));
});

describe.each(names)('the view "%s"', (name) => {
  it('has a title, one h1 and landmarks, and nothing inline or from another origin', async () => {
    const html = await (await fetch(address(name))).text();
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toMatch(/<title>[^<]+ · Harbor Forum<\/title>/);
    for (const tag of ['h1', 'header', 'main', 'footer', 'nav']) {
      expect(html.match(new RegExp(`<${tag}[ >]`, 'g')), tag).toHaveLength(1);
    }
    expect(html).not.toMatch(/<script(?! src="\/assets\/sessions.js" defer><\/script>)|<style/i);
    expect(html).not.toMatch(/(?:src|href|action)="(?:[a-z]+:|\/\/)/i);
  });

  it('passes axe and fits its window, wide and light or narrow and dark', async () => {
    await open(name);
    await page.evaluate('document.querySelectorAll("details").forEach((d) => { d.open = true })');
    expect(await inlineCode()).toEqual([]);
    for (const look of [{}, { dark: true, narrow: true }]) {
      await show(page, look);
      expect(await axeViolations(page)).toEqual([]);
      expect(await overflow(page)).toBeLessThanOrEqual(0);
      expect(await smallTargets()).toEqual([]);
    }
  });
});

it.each(names.filter((name) => name.includes('hostile')))(
  'the view %s shows hostile values as text',
  async (name) => {
    await open(name);
    const fields = await page.evaluate<string>(
      '[...document.querySelectorAll("textarea")].map(({ value }) => value).join()',
    );
    expect((await page.locator('main').innerText()) + fields).toContain(HOSTILE);
    expect(
      await page.locator('script:not(head script[src]), main img, main svg, style').count(),
    ).toBe(0);
  },
);

describe('keyboard use', () => {
  it('leads from the skip link, visible on focus, straight to the content', async () => {
    await open('profile');
    await page.keyboard.press('Tab');
    const skip = page.getByRole('link', { name: 'Skip to content' });
    expect((await skip.boundingBox())?.y).toBeGreaterThanOrEqual(0);
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('content');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('SUMMARY');
  });

  it('shows an outline of at least 2 px around the focused element', async () => {
    await open('sessions');
    const focused = 'document.activeElement';
    for (;;) {
      await page.keyboard.press('Tab');
      if (await page.evaluate(`${focused} === document.body`)) break;
      const width = await page.evaluate<string>(`getComputedStyle(${focused}).outlineWidth`);
      expect(Number.parseFloat(width)).toBeGreaterThanOrEqual(2);
    }
  });
});

describe('the sessions page for screen readers', () => {
  it('names the user, the current page, and the session that a button ends', async () => {
    await open('sessions');
    await expect(page.getByText('Signed in as Ada Lindqvist').count()).resolves.toBe(1);
    const current = page.locator('nav [aria-current="page"]');
    expect(await current.innerText()).toBe('Sessions');
    const button = page.getByRole('button', {
      name: 'End session in Firefox on Linux, signed in 42 minutes ago',
    });
    expect(await button.count()).toBeGreaterThan(0);
  });
});

it('a printed page has the content without navigation and buttons', async () => {
  await open('profile');
  await page.emulateMedia({ media: 'print' });
  expect(await page.getByRole('heading', { name: 'Your profile' }).isVisible()).toBe(true);
  expect(await page.locator('nav, button').filter({ visible: true }).count()).toBe(0);
});

/** Controls less than 44 px high or wide, without the skip link, which is hidden until focused. */
function smallTargets(): Promise<string[]> {
  return page.evaluate(`[...document.querySelectorAll('a:not(.skip), button, summary')]
    .filter(({ offsetWidth, offsetHeight }) => offsetWidth < 44 || offsetHeight < 44)
    .map(({ outerHTML }) => outerHTML)`);
}

/** Attributes that carry script or style. */
function inlineCode(): Promise<string[]> {
  return page.evaluate(`[...document.querySelectorAll('*')]
    .flatMap((element) => element.getAttributeNames())
    .filter((name) => name === 'style' || name.startsWith('on'))`);
}

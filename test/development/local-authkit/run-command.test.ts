// The local AuthKit starts an app as a command, with the settings of its first-party application.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';
import { compiled } from '../../support/machine/compiled.ts';

const folder = mkdtempSync(join(tmpdir(), 'run-command-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SETTINGS = [
  'AUTHKIT_ISSUER',
  'OAUTH_APP_CLIENT_ID',
  'OAUTH_APP_CLIENT_SECRET',
  'API_AUDIENCE',
  'WORKOS_WEBHOOK_SECRET',
  'SESSION_SECRET',
  'BASE_URL',
  'PORT',
] as const;

/** Starts it with a program that runs `script`. */
function start(script: string, env: Record<string, string> = {}, program = process.execPath) {
  const main = compiled('src/development/local-authkit/main.ts');
  const state = ['--port', '0', '--state-file', join(folder, 'state.json')];
  const { PATH } = process.env;
  return spawn(process.execPath, [main, ...state, '--', program, '-e', script], {
    env: { PATH, NODE_ENV: 'development', ...env },
  });
}

async function finish(child: ReturnType<typeof start>) {
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { output, errors, code: code as number | null };
}

/** The settings that the command got, and what the local AuthKit printed before. */
async function settingsOf(env: Record<string, string> = {}) {
  const script = `
    const picked = ${JSON.stringify(SETTINGS)}.map((name) => [name, process.env[name]]);
    fetch(process.env.AUTHKIT_ISSUER + '/oauth2/jwks').then(({ status }) =>
      console.log('\\n' + JSON.stringify({ ...Object.fromEntries(picked), status })));`;
  const { output, code } = await finish(start(script, env));
  const [last = '{}'] = output.trim().split('\n').slice(-1);
  return { printed: output.replace(last, ''), code, got: JSON.parse(last) as Settings };
}

type Settings = Record<(typeof SETTINGS)[number], string> & { status: number };

describe('the command after --', () => {
  it('has every setting of an app, and an AuthKit that responds', async () => {
    const { got, code } = await settingsOf();
    expect([code, got.status]).toEqual([0, 200]);
    for (const name of SETTINGS) expect(got[name], name).toMatch(/./);
    expect(got).toMatchObject({ BASE_URL: 'http://localhost:3000', PORT: '3000' });
  });

  it('keeps its address and session secret if they are set, but not another AuthKit', async () => {
    const own = { BASE_URL: 'http://localhost:3210', SESSION_SECRET: 'the own secret of this app' };
    const { got } = await settingsOf({ ...own, AUTHKIT_ISSUER: 'https://forum.authkit.app' });
    expect(got).toMatchObject({ ...own, PORT: '3210' });
    expect(got.AUTHKIT_ISSUER).toMatch(/^http:\/\/localhost:\d+$/);
  });

  it('has the same secrets at the next start, and none of them is printed', async () => {
    const [first, second] = [await settingsOf(), await settingsOf()];
    const { SESSION_SECRET, OAUTH_APP_CLIENT_SECRET } = first.got;
    expect(second.got).toMatchObject({ SESSION_SECRET, OAUTH_APP_CLIENT_SECRET });
    expect(first.printed).toContain('Ada Lindqvist');
    for (const secret of [SESSION_SECRET, OAUTH_APP_CLIENT_SECRET])
      expect(first.printed).not.toContain(secret);
  });

  it('ends the local AuthKit with its own exit code', async () => {
    expect((await finish(start('process.exit(7)'))).code).toBe(7);
  });

  it('receives SIGTERM, and may take its time', async () => {
    const child = start(`
      process.on('SIGTERM', () => setTimeout(() => process.exit(3), 200));
      setInterval(() => {}, 1000);
      console.log('waiting');`);
    child.stdout.on('data', (chunk) => String(chunk).includes('waiting') && child.kill('SIGTERM'));
    expect((await finish(child)).code).toBe(3);
  });

  it('is named in one sentence if it does not exist', async () => {
    const { errors, code } = await finish(start('', {}, 'no-such-program'));
    expect([code, errors]).toEqual([
      1,
      expect.stringMatching(/^no-such-program cannot be started/),
    ]);
  });
});

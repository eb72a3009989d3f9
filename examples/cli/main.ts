// A command-line tool as a Public application of AuthKit. Reading order: settings.ts (help),
// main.ts, proxy.ts, sign-in.ts (browser.ts, loopback.ts, poll.ts), session.ts, token-file.ts, lock.ts.

import { z } from 'zod';
import { CliError, describeFailure } from './errors.ts';
import { useProxy } from './proxy.ts';
import { connect, endSession, freshTokens, storeTokens } from './session.ts';
import { help, readSettings } from './settings.ts';
import type { Settings } from './settings.ts';
import { signInWithBrowser, signInWithDevice } from './sign-in.ts';
import type { Scope, Tokens } from './sign-in.ts';
import { TokenFile } from './token-file.ts';
import type { StoredTokens } from './token-file.ts';

// URLs, codes and names come from others: control characters in them could rewrite the terminal.
const say = (text: string) =>
  void process.stdout.write(`${text.split('\n').map(printable).join('\n')}\n`);

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (settings === undefined) {
    process.stdout.write(help);
    return;
  }
  useProxy();
  const file = new TokenFile(settings.tokenFile, settings.issuer, settings.clientId);
  if (settings.command === 'login') await login(settings, file);
  else if (settings.command === 'whoami') await whoami(settings, file);
  else say(await endSession(settings, file));
}

async function login(settings: Settings, file: TokenFile): Promise<void> {
  const config = await connect(settings);
  const { resource, device } = settings;
  const scope: Scope = { scope: 'openid profile email offline_access' };
  if (resource !== undefined) scope.resource = resource;
  await file.locked(() => file.checkWritable()); // before the user takes the trouble to sign in
  const keep = async (tokens: Tokens) => {
    const claims = tokens.claims();
    const name = printable(claims?.['name'] || claims?.['email'] || claims?.sub || 'unknown');
    await storeTokens(settings, file, tokens, name);
    say(`Signed in as ${name}.`);
  };
  if (device) await signInWithDevice(config, scope, say, keep);
  else await signInWithBrowser(config, scope, process.env['BROWSER'], say, keep);
}

async function whoami(settings: Settings, file: TokenFile): Promise<void> {
  let tokens = await freshTokens(settings, file);
  let response = await callApi(settings, tokens);
  if (response.status === 401) {
    // The key may have been withdrawn, or the clocks differ: retry once with a new token.
    tokens = await freshTokens(settings, file, tokens.accessToken);
    response = await callApi(settings, tokens);
  }
  if (response.status === 401) {
    throw new CliError('not_signed_in', 'The API refuses your access token: run login again.');
  }
  if (!response.ok)
    throw new CliError('failed', `The API responded with status ${response.status}.`);
  const { data: me } = caller.safeParse(await response.json().catch(() => undefined));
  if (me === undefined) throw new CliError('failed', 'The API sent an unexpected response.');
  if (settings.json) {
    say(JSON.stringify(me, null, 2));
    return;
  }
  say(`Signed in as  ${printable(tokens.name)}`);
  say(`Subject       ${printable(me.sub)}`);
  say(`Organization  ${printable(me.org_id ?? 'none')}`);
  say(`Application   ${printable(me.client_id)}`);
  say(`Scopes        ${printable(me.scopes.join(' '))}`);
}

async function callApi({ api }: Settings, { accessToken }: StoredTokens): Promise<Response> {
  try {
    return await fetch(new URL('/api/me', api), {
      headers: { authorization: `Bearer ${accessToken}` },
      redirect: 'error', // the token is for this API, not for the target of a redirect
      signal: AbortSignal.timeout(10_000),
    });
  } catch (cause) {
    throw new CliError('failed', `The API at ${api.origin} did not respond.`, { cause });
  }
}

const caller = z.looseObject({
  sub: z.string(),
  org_id: z.string().nullable(),
  client_id: z.string(),
  scopes: z.array(z.string()),
});

/** Removes control characters, which could rewrite the terminal. */
function printable(text: unknown): string {
  return String(text).replaceAll(/[\p{Cc}\p{Cf}]/gu, '');
}

main().catch((error: unknown) => {
  const { sentence, exitCode } = describeFailure(error);
  process.stderr.write(`${printable(sentence)}\n`);
  process.exitCode = exitCode;
});

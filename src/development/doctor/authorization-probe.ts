// One request to sign in as the app would send it, and what its answer amounts to. It ends before
// anybody signs in, so it needs no user and leaves no code behind.
import { ask, locationOf, type Answer } from './http.ts';

/** What an authorization request says, as far as the doctor changes it. */
export interface Request {
  clientId: string;
  redirectUri: string;
  scope: string;
  resource?: string | undefined;
}

export interface Outcome {
  /**
   * `goes on`: to a sign-in screen. `refused`: by a page, since client or redirect URI are not
   * trusted. `error`: told at the redirect URI, so both are known. `unclear`: nothing about the
   * request.
   */
  kind: 'goes on' | 'refused' | 'error' | 'unclear';
  /** For `error` its code, for `unclear` what came instead. */
  detail: string;
  /** The words of the answer without what the request said: alike for alike reasons. */
  looks: string;
}

/** Takes the authorization endpoint and a request; sends it (RFC 6749 §4.1.1) and never rejects. */
export async function probe(endpoint: URL, request: Request): Promise<Outcome> {
  const url = new URL(endpoint);
  const { clientId, redirectUri, scope, resource } = request;
  const parameters = {
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope,
    state: 'doctor-probe-state',
    nonce: 'doctor-probe-nonce',
    // S256 of a verifier that is never used: the probe ends before a code is issued.
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...(resource !== undefined && { resource }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return classify(await ask(url), url, request);
}

/**
 * RFC 6749 §4.1.2.1: an untrusted client or redirect URI is told on a page, anything else there.
 */
function classify(answer: Answer, url: URL, request: Request): Outcome {
  const { status } = answer;
  const target = locationOf(answer, url);
  const looks = wordsOf(`${status} ${target?.href ?? ''} ${visibleText(answer.text)}`, request);
  const error = target?.href.startsWith(`${request.redirectUri}?`)
    ? target.searchParams.get('error')
    : null;
  if (error !== null && error !== undefined) return { kind: 'error', detail: error, looks };
  // A check for robots, a limit or an outage answers alike whatever was asked.
  if (status === 0 || [401, 403, 429].includes(status) || status >= 500) {
    return { kind: 'unclear', detail: answer.silence ?? `HTTP ${status}`, looks };
  }
  const isErrorPage = /invalid|error/i.test(`${target?.hostname ?? ''}${target?.pathname ?? ''}`);
  return { kind: status >= 400 || isErrorPage ? 'refused' : 'goes on', detail: '', looks };
}

const visibleText = (html: string) =>
  html.replaceAll(/<(style|script)\b.*?<\/\1>/gis, ' ').replaceAll(/<[^>]*>/g, ' ');

/** Words only: ids have digits or mixed case, and what the request said differs by intent. */
function wordsOf(text: string, { clientId, redirectUri }: Request): string {
  const escaped = redirectUri.replaceAll('&', '&amp;');
  const said = [redirectUri, escaped, encodeURIComponent(redirectUri), clientId];
  const rest = said.reduce((left, value) => left.replaceAll(value, ' '), text);
  const words = rest.match(/[\w-]+/g) ?? [];
  return words.filter((word) => /^(?:[A-Z]?[a-z_-]+|\d{3})$/.test(word)).join(' ');
}

// Sends one authorization request as the app would, and classifies the response. The probe ends
// before sign-in, so it needs no user and leaves no code behind.
import { errorCode, locationOf, type Http, type HttpResponse } from './http.ts';

/** The parameters of an authorization request that the doctor varies. */
export interface Request {
  clientId: string;
  redirectUri: string;
  scope: string;
  resource?: string | undefined;
}

export interface Outcome {
  /**
   * `accepted`: leads to a sign-in screen. `refused`: an error page, because the client or the
   * redirect URI is not trusted. `error`: an error at the redirect URI, so both are known.
   * `unclear`: the response says nothing about the request.
   */
  kind: 'accepted' | 'refused' | 'error' | 'unclear';
  /** The error code for `error`, and for `refused` if it is named; the reason for `unclear`. */
  detail: string;
  /** The words of the response without the request's values: equal for equal reasons. */
  fingerprint: string;
}

/** Takes the authorization endpoint and a request; sends it (RFC 6749 §4.1.1) and never rejects. */
export async function probe(http: Http, endpoint: URL, request: Request): Promise<Outcome> {
  const url = new URL(endpoint);
  const { clientId, redirectUri, scope, resource } = request;
  const parameters = {
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope,
    state: 'doctor-probe-state',
    nonce: 'doctor-probe-nonce',
    // The S256 challenge of a verifier that is never used: the probe ends before a code is issued.
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...(resource !== undefined && { resource }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return classify(await http.send(url), url, request);
}

/** RFC 6749 §4.1.2.1: only an untrusted client or redirect URI is reported on a page. */
function classify(response: HttpResponse, url: URL, request: Request): Outcome {
  const { status } = response;
  const target = locationOf(response, url);
  const fingerprint = fingerprintOf(
    `${status} ${target?.href ?? ''} ${visibleText(response.text)}`,
    request,
  );
  const error = errorCode(target?.searchParams.get('error'));
  const isAtRedirectUri = target?.href.startsWith(`${request.redirectUri}?`);
  if (error !== undefined && isAtRedirectUri) return { kind: 'error', detail: error, fingerprint };
  // AuthKit redirects to a page of its own, whose status is 200.
  const isOwnPage = target?.origin === url.origin && target.pathname.endsWith('/error');
  if (error !== undefined && isOwnPage) return { kind: 'refused', detail: error, fingerprint };
  // A bot check, a rate limit or an outage responds the same way to every request.
  if (status === 0 || [401, 403, 429].includes(status) || status >= 500) {
    return { kind: 'unclear', detail: response.failure ?? `HTTP ${status}`, fingerprint };
  }
  const isErrorPage = /invalid|error/i.test(`${target?.hostname ?? ''}${target?.pathname ?? ''}`);
  return { kind: status >= 400 || isErrorPage ? 'refused' : 'accepted', detail: '', fingerprint };
}

const visibleText = (html: string) =>
  html.replaceAll(/<(style|script)\b.*?<\/\1>/gis, ' ').replaceAll(/<[^>]*>/g, ' ');

/** Keeps only words: ids (digits, mixed case) and the request's own values differ each time. */
function fingerprintOf(text: string, { clientId, redirectUri }: Request): string {
  const escaped = redirectUri.replaceAll('&', '&amp;');
  const sent = [redirectUri, escaped, encodeURIComponent(redirectUri), clientId];
  const rest = sent.reduce((left, value) => left.replaceAll(value, ' '), text);
  const words = rest.match(/[\w-]+/g) ?? [];
  return words.filter((word) => /^(?:[A-Z]?[a-z_-]+|\d{3})$/.test(word)).join(' ');
}

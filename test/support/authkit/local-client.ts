// A client of a local AuthKit: builds authorization URLs and sends forms.

import { createHash, randomBytes } from 'node:crypto';
import {
  signInOverHttp,
  type SignInChoices,
} from '../../../src/development/local-authkit/test-kit.ts';

export const REDIRECT_URI = 'http://localhost:3000/callback';
export const EVERY_SCOPE = 'openid profile email offline_access';

type Form = Record<string, string>;

export interface TokenResponse {
  status: number;
  headers: Headers;
  body: Record<string, string>;
}

export class LocalClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly #secret: string | undefined;
  readonly #verifier = randomBytes(32).toString('base64url');

  constructor(issuer: string, clientId: string, secret?: string) {
    this.issuer = issuer;
    this.clientId = clientId;
    this.#secret = secret;
  }

  /** An authorization URL with PKCE; an empty value leaves a parameter out. */
  authorizationUrl(parameters: Form = {}): URL {
    const url = new URL('/oauth2/authorize', this.issuer);
    const all: Form = {
      client_id: this.clientId,
      redirect_uri: REDIRECT_URI,
      response_type: 'code',
      scope: EVERY_SCOPE,
      state: 'the-state',
      nonce: 'the-nonce',
      code_challenge: createHash('sha256').update(this.#verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...parameters,
    };
    for (const [name, value] of Object.entries(all)) {
      if (value !== '') url.searchParams.set(name, value);
    }
    return url;
  }

  /** Sends a form with this client's authentication. */
  async post(path: string, form: Form): Promise<TokenResponse> {
    const own = { client_id: this.clientId, ...(this.#secret && { client_secret: this.#secret }) };
    const body = new URLSearchParams({ ...own, ...form });
    const response = await fetch(new URL(path, this.issuer), {
      method: 'POST',
      // A kept connection would fail once a local AuthKit restarts.
      headers: { connection: 'close' },
      body,
    });
    const text = await response.text();
    const parsed = text === '' ? {} : JSON.parse(text);
    return { status: response.status, headers: response.headers, body: parsed };
  }

  exchange(code: string, form: Form = {}): Promise<TokenResponse> {
    return this.post('/oauth2/token', {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: this.#verifier,
      ...form,
    });
  }

  refresh(refreshToken: string | undefined, form: Form = {}): Promise<TokenResponse> {
    const own = { grant_type: 'refresh_token', refresh_token: refreshToken ?? '' };
    return this.post('/oauth2/token', { ...own, ...form });
  }

  async introspect(token: string | undefined): Promise<Record<string, unknown>> {
    return (await this.post('/oauth2/introspection', { token: token ?? '' })).body;
  }

  /** Signs a person in and exchanges the code; returns the token response. */
  async signIn(choices: SignInChoices, parameters: Form = {}): Promise<Record<string, string>> {
    const back = await signInOverHttp(this.authorizationUrl(parameters), choices);
    const redirectUri = parameters['redirect_uri'] ?? REDIRECT_URI;
    const code = back.searchParams.get('code') ?? '';
    return (await this.exchange(code, { redirect_uri: redirectUri })).body;
  }
}

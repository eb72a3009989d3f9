// The defenses that .github/SECURITY.md claims, by the threat of its row. Each entry takes one defense out
// of the source, and names the test that then fails. `npm run defenses` tries them all;
// security.test.ts checks that no entry is stale.

interface Edit {
  file: string;
  /** Occurs exactly once in the file. */
  find: string;
  replace: string;
}

export interface Defense extends Edit {
  /** What is taken away. */
  name: string;
  /** Further edits that the same defense needs. */
  also?: Edit[];
  /** `title` is a part of the test's full name, as its file writes it. */
  test: { file: string; title: string };
}

// What test.each fills in.
const PLACE = /%[sdifjo#]|\$\{[^}]*\}|\$\w+/g;

/** A regular expression for the full names that a title stands for. */
export const namePattern = (title: string): string =>
  title
    .split(PLACE)
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');

export const DEFENSES: Record<string, Defense[]> = {
  'A response for another browser or another sign-in (CSRF, code injection)': [
    {
      name: 'state',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'attempts.find(({ state }) => state === response.state)',
      replace: "attempts[0] && { ...attempts[0], state: response.state ?? '' }",
      test: {
        file: 'test/auth/sign-in/callback.test.ts',
        title: 'is refused where another sign-in is pending, which still completes',
      },
    },
    {
      name: 'nonce',
      file: 'src/auth/sign-in/strategy.ts',
      find: "params.set('nonce', randomNonce());",
      replace: '',
      test: {
        file: 'test/auth/sign-in/sign-in.test.ts',
        title: 'sends PKCE, state and nonce, although the metadata does not list PKCE',
      },
    },
    {
      name: 'PKCE',
      file: 'src/auth/sign-in/strategy.ts',
      find: "name === 'Location' && resolve(value)",
      replace: "name === 'Location' && resolve(value.replace(/&code_challenge[^&]*/g, ''))",
      test: {
        file: 'test/auth/sign-in/sign-in.test.ts',
        title: 'sends PKCE, state and nonce, although the metadata does not list PKCE',
      },
    },
    {
      name: 'the sealed attempt',
      file: 'src/auth/sign-in/attempts.ts',
      find: "context.attemptSealer.open(Buffer.from(value, 'base64url'), name)",
      replace: "Buffer.from(value, 'base64url')",
      test: {
        file: 'test/auth/sign-in/callback.test.ts',
        title: 'is refused with an attempt that this app did not seal',
      },
    },
  ],

  'A response that is used twice, or late': [
    {
      name: 'one use',
      file: 'src/auth/sign-in/routes.ts',
      find: 'if (!(await records.acquireLease(lease, owner, ATTEMPT_LEASE_MS).catch(storeFailure))) {',
      replace: 'if (Number.isNaN(ATTEMPT_LEASE_MS)) {',
      test: {
        file: 'test/auth/sign-in/callback.test.ts',
        title: 'signs in once when four copies arrive at the same moment',
      },
    },
    {
      name: 'ten minutes',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'if (Date.now() - startedAt > LIFETIME_MS)',
      replace: 'if (startedAt === LIFETIME_MS)',
      test: { file: 'test/auth/sign-in/callback.test.ts', title: 'is refused after ten minutes' },
    },
  ],

  'Repeated, unexpected or oversized parameters at the callback': [
    {
      name: 'no repetition',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'query.getAll(name).length > 1',
      replace: 'query.getAll(name).length > 99',
      test: { file: 'test/auth/sign-in/refused-responses.test.ts', title: 'code twice' },
    },
    {
      name: 'no other response mode',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'UNREQUESTED_PARAMETERS.some((name) => query.has(name))',
      replace: 'UNREQUESTED_PARAMETERS.length === 0',
      test: { file: 'test/auth/sign-in/refused-responses.test.ts', title: 'a JARM response' },
    },
    {
      name: '8 kB',
      file: 'src/demo/middleware/bounds.ts',
      find: 'req.originalUrl.length > MAX_URL_LENGTH',
      replace: 'req.originalUrl.length > 1e9 * MAX_URL_LENGTH',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'refuses a URL of more than 8 kB with a page',
      },
    },
  ],

  'Mix-up of issuers': [
    {
      name: 'the issuer of the metadata, at sign-in',
      file: 'src/auth/issuer.ts',
      find: `const found = await client
    .discovery(issuer, clientId, metadata, client.None(), requests)
    .catch(failed);`,
      replace: `const url = new URL('/.well-known/openid-configuration', issuer).href;
  const read = await (await fetch(url, { headers: {} } as never)).json();
  const found = new client.Configuration(read, clientId, metadata, client.None());
  Object.assign(found, requests);`,
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'sends the browser nowhere when the metadata has %s',
      },
    },
    {
      name: 'the issuer of the metadata, at the API',
      file: 'src/bearer/discovery.ts',
      find: 'if (URL.parse(named)?.href !== issuer.href)',
      replace: 'if (!URL.canParse(named))',
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'with another issuer in its metadata is logged with both issuers side by side',
      },
    },
    {
      name: '`iss` of the response',
      file: 'src/auth/sign-in/strategy.ts',
      find: 'return url;',
      replace: "url.searchParams.delete('iss');\n    return url;",
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'the iss of another issuer in the redirect',
      },
    },
    {
      name: '`iss` where it is promised',
      file: 'src/auth/bounded-fetch.ts',
      find: 'new Response(noBody ? null : Buffer.concat(chunks), {',
      replace:
        "new Response(noBody ? null : Buffer.concat(chunks).toString().replace('authorization_response_iss', ''), {",
      test: {
        file: 'test/auth/sign-in/id-token.test.ts',
        title: 'is refused as missing when the metadata promises it',
      },
    },
  ],

  'A forged ID token': [
    {
      name: 'the signature',
      file: 'src/auth/sign-in/user.ts',
      find: 'await issuer.keys.verify(idToken);',
      replace: '',
      test: {
        file: 'test/auth/sign-in/id-token.test.ts',
        title: 'a signature of another key under the published kid',
      },
    },
    {
      name: 'RS256 alone',
      file: 'src/auth/issuer-keys.ts',
      find: "{ algorithms: ['RS256'] }",
      replace: '{}',
      test: {
        file: 'test/auth/signing-keys.test.ts',
        title: 'a signature of another algorithm, by a key that names none, is refused',
      },
    },
  ],

  'An ID token for another application, without a usable `sub`, expired or of another time': [
    {
      name: 'aud',
      file: 'src/auth/sign-in/user.ts',
      find: '[aud].flat().some((name) => name !== clientId)',
      replace: '[aud].flat().every((name) => name !== clientId)',
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'a second aud beside ours, and our azp',
      },
    },
    {
      name: 'azp',
      file: 'src/auth/sign-in/user.ts',
      find: 'if (azp !== undefined && azp !== clientId)',
      replace: "if (azp === '')",
      test: { file: 'test/auth/sign-in/hostile-issuer.test.ts', title: 'azp of another' },
    },
    {
      name: 'sub',
      file: 'src/auth/sign-in/user.ts',
      find: "if (sub.trim() === '' || sub.length > MAX_SUB)",
      replace: 'if (sub.length > 1e9 * MAX_SUB)',
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'a sub of 256 characters',
      },
    },
    {
      name: 'iat',
      file: 'src/auth/sign-in/user.ts',
      find: 'if (age < -CLOCK_TOLERANCE_S || age > MAX_AGE_S + CLOCK_TOLERANCE_S)',
      replace: 'if (Number.isNaN(age + MAX_AGE_S + CLOCK_TOLERANCE_S))',
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'iat before the sign-in',
      },
    },
    {
      name: 'exp',
      file: 'src/auth/issuer.ts',
      find: '[client.clockTolerance]: CLOCK_TOLERANCE_S,',
      replace: '[client.clockTolerance]: 1e9,',
      test: { file: 'test/auth/sign-in/id-token.test.ts', title: 'an expiry long past' },
    },
  ],

  'UserInfo or an access token about another user': [
    {
      name: 'sub of UserInfo',
      file: 'src/auth/sign-in/user.ts',
      find: 'fetchUserInfo(config, token, claims.sub)',
      replace: 'fetchUserInfo(config, token, skipSubjectCheck)',
      also: [
        {
          file: 'src/auth/sign-in/user.ts',
          find: 'import { fetchUserInfo,',
          replace: 'import { fetchUserInfo, skipSubjectCheck,',
        },
      ],
      test: {
        file: 'test/auth/sign-in/user.test.ts',
        title: 'are not taken from a UserInfo response with another sub, which refuses the sign-in',
      },
    },
    {
      name: 'sub of the access token',
      file: 'src/auth/sign-in/user.ts',
      find: "if (!isAbout(user, tokens.accessToken)) throw new SignInError('user_mismatch');",
      replace: '',
      test: {
        file: 'test/auth/sign-in/user.test.ts',
        title: 'refuses the sign-in as user_mismatch',
      },
    },
    {
      name: 'sub of refreshed tokens',
      file: 'src/auth/tokens/refresh.ts',
      find: 'if (!isForSameUser(user, clientId, body, next.tokens.accessToken)) {',
      replace: "if (next.tokens.accessToken === '') {",
      test: {
        file: 'test/auth/tokens/refresh.test.ts',
        title: 'ends the session when the refresh returns %s',
      },
    },
  ],

  'An issuer that is slow, sends too much, or redirects': [
    {
      name: 'five seconds, at sign-in',
      file: 'src/auth/issuer.ts',
      find: 'const TIMEOUT_S = 5;',
      replace: 'const TIMEOUT_S = 500;',
      test: {
        file: 'test/auth/discovery.test.ts',
        title: 'makes /login respond with 504 after five seconds without a response',
      },
    },
    {
      name: '512 kB, at sign-in',
      file: 'src/auth/bounded-fetch.ts',
      find: 'if (size > MAX_BYTES)',
      replace: 'if (size > 1e9 * MAX_BYTES)',
      test: { file: 'test/auth/sign-in/id-token.test.ts', title: 'a body of a megabyte' },
    },
    {
      name: 'no redirect, at sign-in',
      file: 'src/auth/bounded-fetch.ts',
      find: "redirect: 'manual'",
      replace: "redirect: 'follow'",
      test: {
        file: 'test/auth/hostile-responses.test.ts',
        title: 'the token endpoint',
      },
    },
    {
      name: 'five seconds, at the API',
      file: 'src/bearer/discovery.ts',
      find: 'AbortSignal.timeout(TIMEOUT_MS)',
      replace: 'new AbortController().signal',
      test: { file: 'test/bearer/introspection.test.ts', title: 'no response' },
    },
    {
      name: '256 kB, at the API',
      file: 'src/bearer/discovery.ts',
      find: 'if (bytes > MAX_BYTES)',
      replace: 'if (bytes > 1e9 * MAX_BYTES)',
      test: {
        file: 'test/bearer/introspection.test.ts',
        title: 'a megabyte',
      },
    },
    {
      name: 'no redirect, at the API',
      file: 'src/bearer/discovery.ts',
      find: "redirect: 'manual'",
      replace: "redirect: 'follow'",
      test: {
        file: 'test/bearer/introspection.test.ts',
        title: 'a redirect',
      },
    },
  ],

  'Metadata that leads the client secret, tokens or keys over plain http': [
    {
      name: 'https, at sign-in',
      file: 'src/auth/secure-urls.ts',
      find: "return url.protocol === 'https:' ||",
      replace: "return url.protocol !== 'ftp:' ||",
      test: { file: 'test/auth/discovery.test.ts', title: 'is refused when its %s is %j' },
    },
    {
      name: 'what the app refuses, in the doctor',
      file: 'src/development/doctor/issuer-checks.ts',
      find: 'const discovered = await discoverAsApp(issuer, http);',
      replace: 'const discovered: Metadata | SignInError = metadata;',
      test: {
        file: 'test/development/doctor/secret.test.ts',
        title: 'no secret is sent if %s has no TLS',
      },
    },
  ],

  'Open redirect': [
    {
      name: 'the rule',
      file: 'src/auth/sign-in/return-to.ts',
      find: "const home = '/' as SameOriginPath;",
      replace: `if (typeof value === 'string' && value !== '') return value as SameOriginPath;
  const home = '/' as SameOriginPath;`,
      test: {
        file: 'test/auth/sign-in/return-to-corpus.test.ts',
        title: 'keeps every value on the origin %s',
      },
    },
  ],

  'Session fixation': [
    {
      name: 'a new id',
      file: 'src/auth/session/session.ts',
      find: '{ ...req.headers, cookie: undefined }',
      replace: '{ ...req.headers }',
      also: [
        {
          file: 'src/auth/context.ts',
          find: 'saveUninitialized: false,',
          replace: `saveUninitialized: false,
      genid: (req) => /s%3A([^.]+)/.exec(req.headers.cookie ?? '')?.[1] ?? crypto.randomUUID(),`,
        },
      ],
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'has a new id after each sign-in, and the old id ends',
      },
    },
    {
      name: 'the end of the old one',
      file: 'src/auth/session/session.ts',
      find: `const hostData = hostDataFor(context, req, user);
  await endSession(context, req, res);`,
      replace: 'const hostData = hostDataFor(context, req, user);',
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'has a new id after each sign-in, and the old id ends',
      },
    },
  ],

  'A cookie that a script reads, another site sends, or an attacker forges': [
    {
      name: 'HttpOnly of the session',
      file: 'src/auth/session/cookie.ts',
      find: 'httpOnly: true',
      replace: 'httpOnly: false',
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'has an HttpOnly, SameSite=Lax cookie for the whole site',
      },
    },
    {
      name: 'SameSite of the session',
      file: 'src/auth/session/cookie.ts',
      find: "sameSite: 'lax'",
      replace: "sameSite: 'none'",
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'has an HttpOnly, SameSite=Lax cookie for the whole site',
      },
    },
    {
      name: 'HttpOnly of an attempt',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'httpOnly: true',
      replace: 'httpOnly: false',
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'has an HttpOnly, SameSite=Lax cookie for the whole site',
      },
    },
    {
      name: 'SameSite of an attempt',
      file: 'src/auth/sign-in/attempts.ts',
      find: "sameSite: 'lax'",
      replace: "sameSite: 'none'",
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'has an HttpOnly, SameSite=Lax cookie for the whole site',
      },
    },
    {
      name: 'Secure and __Host-',
      file: 'src/auth/context.ts',
      find: "const isSecure = baseUrl.protocol === 'https:';",
      replace: "const isSecure = baseUrl.protocol === '';",
      test: {
        file: 'test/auth/session/new-session.test.ts',
        title: 'every cookie is Secure with the __Host- prefix if BASE_URL is https',
      },
    },
    {
      name: 'the signature',
      file: 'src/auth/session/cookie.ts',
      find: 'unsign(value.slice(SIGNED.length), secret)',
      replace: 'value.slice(SIGNED.length).split(secret)[0]?.split(".")[0]',
      test: {
        file: 'test/auth/session/host-session.test.ts',
        title: 'ignores a cookie with a wrong signature, and does not delete it',
      },
    },
    {
      name: 'a name for each application',
      file: 'src/auth/context.ts',
      find: "hash('sha256', clientId + baseUrl.origin, 'base64url').slice(0, 6)",
      replace: "hash('sha256', '', 'base64url').slice(0, 6)",
      test: {
        file: 'test/auth/session/cookies-of-other-apps.test.ts',
        title: 'have cookies of different names, so one browser is signed in to both',
      },
    },
    {
      name: 'no compressed cookie',
      file: 'src/auth/session/seal.ts',
      find: 'zlib ? deflateRawSync(json, zlib) : json',
      replace: 'deflateRawSync(json, COMPRESSION)',
      test: {
        file: 'test/auth/sign-in/two-tabs.test.ts',
        title: 'have cookies whose length says nothing of what return_to repeats (CRIME)',
      },
    },
  ],

  'A stolen session store': [
    {
      name: 'hashed session ids',
      file: 'src/auth/session/cookie.ts',
      find: "export const sessionKey = (sid: string) => hash('sha256', sid, 'base64url');",
      replace: 'export const sessionKey = (sid: string) => sid;',
      test: {
        file: 'test/auth/session/stolen-store.test.ts',
        title: 'the store holds no secret and nothing about the user in any encoding',
      },
    },
    {
      name: 'the cookie that a value needs',
      file: 'src/auth/session/seal.ts',
      find: "crypto.createHmac('sha256', root).update(context).digest()",
      replace: "crypto.createHmac('sha256', root).update(context.slice(0, 0)).digest()",
      test: {
        file: 'test/auth/session/stolen-store.test.ts',
        title:
          'a sealed record opens only for its purpose, with the secret and the cookie together',
      },
    },
    {
      name: 'the secret that a value needs',
      file: 'src/auth/session/seal.ts',
      find: "crypto.hkdfSync('sha256', secret ?? '', '', purpose, 32)",
      replace: "crypto.hkdfSync('sha256', secret?.slice(0, 0) ?? '', '', purpose, 32)",
      test: {
        file: 'test/auth/session/stolen-store.test.ts',
        title:
          'a sealed record opens only for its purpose, with the secret and the cookie together',
      },
    },
    {
      name: 'keyed index hashes',
      file: 'src/auth/session/seal.ts',
      find: "return [...this.of('person', issuer, sub), unkeyed];",
      replace: 'return [unkeyed];',
      test: {
        file: 'test/auth/session/index-keys.test.ts',
        title: 'does not show its value, and cannot be computed without the secret',
      },
    },
    {
      name: 'the sealed user directory',
      file: 'src/demo/user-directory.ts',
      find: 'sealer.seal(user, key)',
      replace: 'Buffer.from(JSON.stringify(user))',
      test: {
        file: 'test/auth/session/stolen-store.test.ts',
        title: 'the store holds no secret and nothing about the user in any encoding',
      },
    },
  ],

  'A session that returns after sign-out': [
    {
      name: 'no write after the end',
      file: 'src/auth/session/sealed-store.ts',
      find: 'if (stored) return void (await this.#records.update(key, sealed, now, expiresAt));',
      replace: 'if (stored && (await this.#records.update(key, sealed, now, expiresAt))) return;',
      test: {
        file: 'test/auth/session/host-session.test.ts',
        title: 'does not bring back an ended session when it is saved late',
      },
    },
    {
      name: 'compare-and-set in SQLite',
      file: 'src/store/embedded/store.ts',
      find: 'WHERE key = ? AND version = ? AND expires_at > ?',
      replace: 'WHERE key = ? AND version >= ? AND expires_at > ?',
      test: {
        file: 'test/store/store.test.ts',
        title: 'tokens are replaced once per version, by whichever instance is first',
      },
    },
    {
      name: 'compare-and-set in Redis',
      file: 'src/store/redis/scripts.ts',
      find: 'if not isAlive or version ~= ARGV[2] then return 0 end',
      replace: 'if not isAlive then return 0 end',
      test: {
        file: 'test/store/store.test.ts',
        title: 'tokens are replaced once per version, by whichever instance is first',
      },
    },
    {
      name: 'the record read by each request',
      file: 'src/auth/session/sealed-store.ts',
      find: 'const row = await this.#records.read(key);',
      replace: `const known = this.#opened.get(key);
    const row = known ? { ...known.row, version: 1, lastSeenAt: Date.now() } : await this.#records.read(key);`,
      test: {
        file: 'test/auth/session/host-session-across-instances.test.ts',
        title: 'is not served from memory once the session has ended on another instance',
      },
    },
  ],

  'A WebSocket or event stream that another site opens, or that outlives its session': [
    {
      name: 'the origin of an upgrade',
      file: 'src/auth/guards.ts',
      find: "if (isForeign(req, context.baseUrl)) throw new SignInError('cross_site_request');",
      replace: '',
      test: {
        file: 'test/live/live.test.ts',
        title: 'is refused with 403 to a page of another origin, despite the cookie: %j',
      },
    },
    {
      name: 'the end of an open connection',
      file: 'src/live/connections.ts',
      find: "if (isAlive === false) return this.#end(watched, 'session_ended');",
      replace: 'if (isAlive === false) return;',
      test: {
        file: 'test/live/live.test.ts',
        title: 'are closed when the user signs out everywhere in another browser',
      },
    },
    {
      name: 'the end without a store',
      file: 'src/live/connections.ts',
      find: "this.#end(watched, 'store_unavailable');",
      replace: 'return;',
      test: {
        file: 'test/live/live.test.ts',
        title: 'are closed when the store has been away for a minute, to try again later',
      },
    },
    {
      name: 'no message after the end',
      file: 'src/live/upgrade.ts',
      find: "socket.removeAllListeners('message');",
      replace: '',
      test: {
        file: 'test/live/live.test.ts',
        title: 'is not listened to, even before the client has confirmed the close',
      },
    },
    {
      name: 'connections of one session',
      file: 'src/live/admission.ts',
      find: 'if (connections.hasRoom(session)) return session;',
      replace: 'if (connections) return session;',
      test: {
        file: 'test/live/live.test.ts',
        title: 'only so many connections are open at a time; the next is refused with 429',
      },
    },
  ],

  'A refresh token that is used twice': [
    {
      name: 'the lease',
      file: 'src/auth/tokens/refresh.ts',
      find: `withLease(this.#context.records, refreshLease(due.key), () =>
      this.#refresh(due),
    )`,
      replace: 'this.#refresh(due)',
      test: {
        file: 'test/auth/tokens/several-instances.test.ts',
        title: 'refresh once for 50 parallel requests when the access token is due',
      },
    },
    {
      name: 'the look at the store first',
      file: 'src/auth/tokens/refresh.ts',
      find: 'if (record.version > due.version || !isDue(record.facts, due.recheckAt))\n      return { facts: record.facts };',
      replace: '',
      test: {
        file: 'test/auth/tokens/several-instances.test.ts',
        title: 'refresh once for 50 parallel requests when the access token is due',
      },
    },
  ],

  'A grant that was revoked at AuthKit': [
    {
      name: 'invalid_grant ends the session',
      file: 'src/auth/tokens/refresh.ts',
      find: "if (cause.isFinal) return 'grant_ended';",
      replace: '',
      test: {
        file: 'test/auth/tokens/refresh-failures.test.ts',
        title: 'ends the session on invalid_grant, and leads back to the page after a new sign-in',
      },
    },
    {
      name: 'the third refusal ends it',
      file: 'src/auth/tokens/refusals.ts',
      find: 'return count + 1 >= MAX_REFUSALS || now - since >= MAX_REFUSED_MS;',
      replace: 'return count + 1 >= 1e9 * MAX_REFUSALS || now - since >= 1e9 * MAX_REFUSED_MS;',
      test: {
        file: 'test/auth/tokens/refresh-refused.test.ts',
        title: 'the third refusal with %i %s ends the session',
      },
    },
    {
      name: 'the end without a refresh token',
      file: 'src/auth/session/session.ts',
      find: '(requestsOffline && isExpired(facts))',
      replace: '(requestsOffline && facts.scope === undefined)',
      test: {
        file: 'test/auth/tokens/refresh-refused.test.ts',
        title: 'a session without a refresh token ends with its access token on every page',
      },
    },
    {
      name: 'an hour without AuthKit',
      file: 'src/auth/guards.ts',
      find: 'current.facts.renewable && Date.now() > current.facts.expiresAt + context.staleMs',
      replace:
        'current.facts.renewable && Date.now() > current.facts.expiresAt + 1e6 * context.staleMs',
      test: {
        file: 'test/auth/tokens/refresh-refused.test.ts',
        title: '%s keeps the session, which opens pages for an hour only',
      },
    },
    {
      name: 'requireActiveSession',
      file: 'src/auth/tokens/active-grant.ts',
      find: 'return active && grantClientId === clientId && sub === user.sub;',
      replace: 'return active || (grantClientId === clientId && sub === user.sub);',
      test: {
        file: 'test/auth/tokens/active-grant.test.ts',
        title: 'ends the session within three seconds once AuthKit %s',
      },
    },
  ],

  'Forms on other sites and subdomains': [
    {
      name: 'Origin',
      file: 'src/auth/forms.ts',
      find: 'origin !== baseUrl.origin',
      replace: "baseUrl.origin === ''",
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'another site, by Origin alone',
      },
    },
    {
      name: 'Origin as a whole',
      file: 'src/auth/forms.ts',
      find: 'origin !== baseUrl.origin',
      replace: '!origin.startsWith(baseUrl.origin)',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'a host that starts like ours',
      },
    },
    {
      name: 'Sec-Fetch-Site',
      file: 'src/auth/forms.ts',
      find: "(site !== 'same-origin' && site !== 'none')",
      replace: "site === ''",
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'another site, by Sec-Fetch-Site alone',
      },
    },
    {
      name: 'POST alone',
      file: 'src/auth/index.ts',
      find: '.post(paths.logout, signOut(context))',
      replace: '.all(paths.logout, signOut(context))',
      test: {
        file: 'test/auth/sign-out.test.ts',
        title: 'is the only method: GET and HEAD get 404 and end nothing',
      },
    },
  ],

  'A page that says "signed out" to a signed-in user, after a link or during an outage': [
    {
      name: '503 without the store',
      file: 'src/demo/routes/pages.ts',
      find: 'if (req.authSession?.unavailable) throw req.authSession.unavailable;',
      replace: '',
      test: {
        file: 'test/auth/sign-out.test.ts',
        title: 'responds with 503 to a signed-in user while the store fails',
      },
    },
    {
      name: 'nothing from the address',
      file: 'src/demo/routes/pages.ts',
      find: 'const hasEndedAtAuthKit = auth.endedAtIssuer(req, res);',
      replace: "const hasEndedAtAuthKit = req.query['state'] !== undefined;",
      test: {
        file: 'test/auth/sign-out-at-authkit.test.ts',
        title: 'does not claim on /signed-out%s that a session has ended',
      },
    },
    {
      name: 'the state of this sign-out',
      file: 'src/auth/sign-out.ts',
      find: "own === name && state === req.query['state']",
      replace: 'own === name',
      test: {
        file: 'test/auth/sign-out-at-authkit.test.ts',
        title: 'shows nothing when it %s, and spends nothing',
      },
    },
  ],

  'A link or form of another site that starts a sign-in': [
    {
      name: 'our issuer alone',
      file: 'src/auth/sign-in/routes.ts',
      find: 'if (iss !== undefined && iss !== metadata.issuer)',
      replace: "if (iss === 'of nobody')",
      test: {
        file: 'test/auth/third-party-login.test.ts',
        title: 'is refused with an iss %s, and leads nowhere',
      },
    },
    {
      name: 'a target of our origin',
      file: 'src/auth/sign-in/routes.ts',
      find: "target.startsWith(`${baseUrl.origin}/`) ? target.slice(baseUrl.origin.length) : '/'",
      replace: 'new URL(target, baseUrl).pathname',
      test: {
        file: 'test/auth/third-party-login.test.ts',
        title: 'that is %s leads to the home page',
      },
    },
    {
      name: 'no other field in the URL',
      file: 'src/auth/sign-in/routes.ts',
      find: 'sent.filter(([name]) => fields.includes(name))',
      replace: 'sent',
      test: {
        file: 'test/auth/third-party-login.test.ts',
        title: 'puts no field %s into the URL',
      },
    },
    {
      name: 'no parameter of the protocol',
      file: 'src/auth/context.ts',
      find: 'if (own !== undefined) throw',
      replace: "if (own === '') throw",
      test: {
        file: 'test/auth/third-party-login.test.ts',
        title: 'that is the protocol’s own cannot be listed: %s',
      },
    },
    {
      name: 'one short value each',
      file: 'src/auth/sign-in/strategy.ts',
      find: "typeof value === 'string' && value.length <= MAX_PARAMETER",
      replace: "typeof value === 'string'",
      test: {
        file: 'test/auth/third-party-login.test.ts',
        title: 'is not handed on if it is missing, comes twice or is longer than 512 characters',
      },
    },
  ],

  'Script, framing, MIME sniffing, cached pages': [
    {
      name: 'no script',
      file: 'src/demo/middleware/headers.ts',
      find: `defaultSrc: ["'none'"],`,
      replace: `defaultSrc: ["'self'"],`,
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'forbids scripts, framing and caching',
      },
    },
    {
      name: 'no frame',
      file: 'src/demo/middleware/headers.ts',
      find: `frameAncestors: ["'none'"],`,
      replace: `frameAncestors: ["'self'"],`,
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'forbids scripts, framing and caching',
      },
    },
    {
      name: 'nosniff',
      file: 'src/demo/middleware/headers.ts',
      find: 'const applyHelmet = helmet({',
      replace: `const applyHelmet = helmet({
    xContentTypeOptions: false,`,
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'forbids scripts, framing and caching',
      },
    },
    {
      name: 'no-store',
      file: 'src/demo/middleware/no-store.ts',
      find: "res.set('Cache-Control', 'no-store');",
      replace: '',
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'forbids scripts, framing and caching',
      },
    },
  ],

  'HTML in names and other values': [
    {
      name: 'the escape of the engine',
      file: 'src/demo/view-engine.ts',
      find: 'const whitespace = {',
      replace: 'const whitespace = { autoEscape: false,',
      test: {
        file: 'test/demo/view-engine.test.ts',
        title: 'escapes what a page says about a user',
      },
    },
    {
      name: 'the escape in a view',
      file: 'views/profile.eta',
      find: '<bdi><%= it.user.name %></bdi>',
      replace: '<bdi><%~ it.user.name %></bdi>',
      test: {
        file: 'test/demo/views.test.ts',
        title: 'the view %s shows hostile values as text',
      },
    },
  ],

  'A forged `Host` header': [
    {
      name: 'the redirect URI',
      file: 'src/auth/sign-in/strategy.ts',
      find: "params.set('state', randomState());",
      replace: `params.set('state', randomState());
    params.set('redirect_uri', \`http://\${req.headers.host}/callback\`);`,
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'completes a sign-in, however long it takes at AuthKit',
      },
    },
    {
      name: 'the redirect to the own host',
      file: 'src/demo/middleware/own-host.ts',
      find: 'res.redirect(302, sameAddressAt(baseUrl, req.originalUrl))',
      replace: 'res.redirect(302, `http://${req.headers.host}${req.originalUrl}`)',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'in Host, X-Forwarded-Host or Forwarded does not appear in the response of %s',
      },
    },
  ],

  'Guessing, in the demo': [
    {
      name: 'the limit of sign-ins',
      file: 'src/demo/middleware/rate-limits.ts',
      find: 'limit: perMinute,',
      replace: 'limit: 1e6 * perMinute,',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'counts /login and /callback together',
      },
    },
    {
      name: 'the limit of refused tokens',
      file: 'src/demo/middleware/rate-limits.ts',
      find: 'return refused(req, res, (limited?: unknown) => next(limited ?? error));',
      replace: 'return next(error);',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'counts refused tokens, and never refuses a good one',
      },
    },
    {
      name: 'the address that is counted',
      file: 'src/demo/middleware/rate-limits.ts',
      find: 'keyGenerator: keyOf,',
      replace: "keyGenerator: (req) => String(req.headers['x-forwarded-for'] ?? keyOf(req)),",
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'counts by the address that a trusted proxy names, and no other',
      },
    },
    {
      name: 'the count that instances share',
      file: 'src/demo/middleware/rate-limits.ts',
      find: '...(storeFor && { store: storeFor(name) }),',
      replace: '',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'is shared by the instances, and its keys expire',
      },
    },
  ],

  'Requests that are too large, too slow, or not HTTP': [
    {
      name: '16 kB of headers',
      file: 'src/process/http-server.ts',
      find: 'maxHeaderSize: 16_384,',
      replace: 'maxHeaderSize: 1_638_400,',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'refuses headers of more than 16 kB, cookies included',
      },
    },
    {
      name: 'the size of a form',
      file: 'src/demo/routes/sessions.ts',
      find: "limit: '1kb'",
      replace: "limit: '10mb'",
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'a form of more than 1 kB',
      },
    },
    {
      name: 'the time for headers',
      file: 'src/process/http-server.ts',
      find: 'headersTimeout: 10_000,',
      replace: 'headersTimeout: 30_000,',
      test: {
        file: 'test/process/shutdown.test.ts',
        title:
          'that drips its headers is cut off within 20 seconds, and 200 of them delay no other request',
      },
    },
    {
      name: 'the time for a request',
      file: 'src/process/http-server.ts',
      find: 'requestTimeout: 30_000,',
      replace: 'requestTimeout: 300_000,',
      test: {
        file: 'test/process/shutdown.test.ts',
        title: 'that drips its body is cut off within 40 seconds',
      },
    },
    {
      name: 'the response to what is not HTTP',
      file: 'src/process/http-server.ts',
      find: ".on('clientError', rejectMalformed)",
      replace: '',
      test: {
        file: 'test/auth/sign-in/length-limits.test.ts',
        title: 'refuses bytes that are not HTTP with 400 and a message',
      },
    },
  ],

  'Endless redirects': [
    {
      name: 'the fourth round',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'attempts.filter(countsAsLoop).length >= LOOP_LIMIT',
      replace: 'attempts.filter(countsAsLoop).length >= 1e9 * LOOP_LIMIT',
      test: {
        file: 'test/demo/bad-requests.test.ts',
        title: 'shows an error page instead of a fourth round, and then allows another try',
      },
    },
  ],

  'A form that another user of this browser left open': [
    {
      name: 'the user in the form',
      file: 'src/auth/forms.ts',
      find: 'stored?.userKeys.includes(person) === true',
      replace: 'stored !== undefined',
      test: {
        file: 'test/auth/forms-of-another-user.test.ts',
        title: 'on %s is refused with 409 at POST %s, and changes nothing',
      },
    },
  ],

  'Secrets in logs': [
    {
      name: 'the fields of the list',
      file: 'src/auth/sign-in/routes.ts',
      find: "onEvent({ event: 'sign_in_completed', attempt: id, sub, orgId });",
      replace:
        "onEvent(Object.assign({ event: 'sign_in_completed' as const, attempt: id, sub, orgId }, { state: attempt.state }));",
      test: {
        file: 'test/process/log.test.ts',
        title: 'has a level, a time, an event and only the listed fields in each line',
      },
    },
    {
      name: 'the shortened path',
      file: 'src/auth/sign-in/routes.ts',
      find: "path.replaceAll(/(?=[^/]*\\d)[^/]{16,}/g, '…')",
      replace: 'path',
      test: { file: 'test/process/log.test.ts', title: 'holds no secret in any encoding' },
    },
    {
      name: 'redacted messages',
      file: 'src/process/log.ts',
      find: "text.replaceAll(SECRETS, '[redacted]')",
      replace: 'text',
      test: { file: 'test/process/log.test.ts', title: 'such as %s is redacted' },
    },
    {
      name: 'no quotes of what was parsed',
      file: 'src/process/log.ts',
      find: "error instanceof SyntaxError ? 'the text cannot be parsed' : redact(error.message)",
      replace: 'redact(error.message)',
      test: {
        file: 'test/process/log.test.ts',
        title: 'is not quoted from text that fails to parse',
      },
    },
    {
      name: 'causes without response bodies',
      file: 'src/auth/openid-errors.ts',
      find: 'if (!(error instanceof Error)) return error instanceof Response ? error : undefined;',
      replace: 'if (!(error instanceof Error)) return error;',
      test: {
        file: 'test/auth/error-causes-hold-no-secrets.test.ts',
        title: 'an error response that quotes tokens',
      },
    },
  ],

  'Details on error pages': [
    {
      name: 'our own sentences for failures',
      file: 'src/demo/errors.ts',
      find: 'const { heading, explanation } = PAGE_ERRORS[code];',
      replace: `const { heading } = PAGE_ERRORS[code];
  const explanation = String(error instanceof Error ? error.message : error);`,
      test: {
        file: 'test/demo/bad-requests.test.ts',
        title: 'gives a page with only a reference, in production: %s',
      },
    },
    {
      name: 'our own sentences for sign-ins',
      file: 'src/demo/errors.ts',
      find: "error.code === 'clock_skew' ? `${error.hint ?? ''} ${advice}` : advice",
      replace: 'JSON.stringify([error.cause, Object(error.cause).error, advice])',
      test: { file: 'test/demo/error-codes.test.ts', title: 'shows no text from the request' },
    },
    {
      name: 'no hint in production',
      file: 'src/demo/errors.ts',
      find: '(production ? null : (page.hint ?? null))',
      replace: '(page.hint ?? null)',
      test: {
        file: 'test/demo/error-codes.test.ts',
        title: 'in production holds no hint for developers',
      },
    },
  ],

  'A forged, foreign or revoked access token at the API': [
    {
      name: 'the signature',
      file: 'src/bearer/verify-token.ts',
      find: `  try {
    return await jwtVerify(token, pick, options);`,
      replace: `  try {
    return { payload: decodeJwt(token), protectedHeader: decodeProtectedHeader(token) } as never;`,
      also: [
        {
          file: 'src/bearer/verify-token.ts',
          find: 'import { decodeProtectedHeader,',
          replace: 'import { decodeJwt, decodeProtectedHeader,',
        },
      ],
      test: { file: 'test/bearer/refused-tokens.test.ts', title: 'a foreign key under our kid' },
    },
    {
      name: 'RS256 alone',
      file: 'src/bearer/verify-token.ts',
      find: "algorithms: ['RS256'],",
      replace: '',
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'whose keys name no algorithm serves RS256 alone',
      },
    },
    {
      name: 'the issuer',
      file: 'src/bearer/verify-token.ts',
      find: ', issuer: issuer.identifier };',
      replace: ' };',
      test: { file: 'test/bearer/refused-tokens.test.ts', title: 'another issuer' },
    },
    {
      name: 'the audience',
      file: 'src/bearer/verify-token.ts',
      find: 'audience: expected.audience,',
      replace: '',
      test: { file: 'test/bearer/refused-tokens.test.ts', title: 'another audience' },
    },
    {
      name: 'the expiry',
      file: 'src/bearer/verify-token.ts',
      find: 'clockTolerance: expected.clockToleranceSeconds ?? CLOCK_TOLERANCE_S,',
      replace: 'clockTolerance: 1e6 * CLOCK_TOLERANCE_S,',
      test: { file: 'test/bearer/refused-tokens.test.ts', title: 'an expired token' },
    },
    {
      name: 'the expiry of a remembered token',
      file: 'src/bearer/require-token.ts',
      find: 'known && hasKeys && known.expiresAt * 1000 > Date.now()',
      replace: 'known && hasKeys',
      test: { file: 'test/bearer/require-token.test.ts', title: 'is refused once it expires' },
    },
    {
      name: 'introspection',
      file: 'src/bearer/introspection.ts',
      find: "return response['active'] === true && matches(response, accessToken);",
      replace: 'return matches(response, accessToken);',
      test: {
        file: 'test/bearer/introspection.test.ts',
        title: 'with active: false and matching members',
      },
    },
    {
      name: 'introspection of the same token',
      file: 'src/bearer/introspection.ts',
      find: "response['active'] === true && matches(response, accessToken)",
      replace: "response['active'] === true",
      test: { file: 'test/bearer/introspection.test.ts', title: 'about another user' },
    },
  ],

  'An ID token at the API': [
    {
      name: 'the claims of an ID token',
      file: 'src/bearer/verify-token.ts',
      find: 'if (type === null || has(ID_TOKEN_CLAIMS)) return false;',
      replace: 'if (type === null) return false;',
      test: {
        file: 'test/bearer/require-token.test.ts',
        title: '%s is refused although its audience is accepted',
      },
    },
    {
      name: 'the application’s own client id',
      file: 'src/bearer/verify-token.ts',
      find: 'if (own !== undefined && [aud].flat().includes(own)) return isMarked && !has(SIGN_IN_CLAIMS);',
      replace: '',
      test: {
        file: 'test/bearer/require-token.test.ts',
        title: "of the API's own application %s is refused",
      },
    },
  ],

  'A token that another page makes a browser send': [
    {
      name: 'no token in the address',
      file: 'src/bearer/read-token.ts',
      find: "if (query !== -1 && new URLSearchParams(req.url.slice(query)).has('access_token')) return true;",
      replace: '',
      test: {
        file: 'test/bearer/refused-tokens.test.ts',
        title: 'in the query as %s, with and without a header',
      },
    },
    {
      name: 'no token in a form',
      file: 'src/bearer/read-token.ts',
      find: "return /^application\\/x-www-form-urlencoded/i.test(type) && length !== '0';",
      replace: "return type === '' && length === '';",
      test: {
        file: 'test/bearer/refused-tokens.test.ts',
        title: 'is refused with 400 invalid_request in a form, without waiting for its body',
      },
    },
    {
      name: 'no token in a cookie',
      file: 'src/bearer/read-token.ts',
      find: 'const value = authorizationOf(req.rawHeaders);',
      replace: `const value =
    authorizationOf(req.rawHeaders) ?? req.headers.cookie?.replace(/^.*access_token=/, 'Bearer ');`,
      test: {
        file: 'test/bearer/refused-tokens.test.ts',
        title: 'a token in a cookie: 401 without an error code',
      },
    },
    {
      name: 'one header',
      file: 'src/bearer/read-token.ts',
      find: 'if (found !== undefined)',
      replace: "if (found === '')",
      test: {
        file: 'test/bearer/refused-tokens.test.ts',
        title: 'two headers with the same token',
      },
    },
  ],

  'Calls that make this app flood AuthKit with introspection requests': [
    {
      name: 'none beyond the limit of refused tokens',
      file: 'src/demo/routes/api.ts',
      find: 'return beforeIntrospection ? [beforeIntrospection, guard] : [guard];',
      replace: 'return [guard];',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'stops introspection for an address over it, even of a good token',
      },
    },
    {
      name: 'one at a time for a token',
      file: 'src/bearer/introspection.ts',
      find: 'results.set(key, result);',
      replace: '',
      test: {
        file: 'test/bearer/introspection-shared.test.ts',
        title: 'sends one request for 100 simultaneous calls with the same token',
      },
    },
    {
      name: 'two seconds',
      file: 'src/bearer/introspection.ts',
      find: 'if (isInactive) result.until = performance.now() + INACTIVE_TTL_MS;',
      replace: 'if (isInactive) result.until = performance.now() - INACTIVE_TTL_MS;',
      test: {
        file: 'test/bearer/introspection-shared.test.ts',
        title: 'refuses an inactive token for two seconds without another request',
      },
    },
  ],

  'Made-up key ids that make the API fetch keys': [
    {
      name: 'ten seconds',
      file: 'src/bearer/issuer.ts',
      find: 'ageOf(this.#unknownKeyAt) >= UNKNOWN_KEY_COOLDOWN_MS',
      replace: 'ageOf(this.#unknownKeyAt) >= 0 * UNKNOWN_KEY_COOLDOWN_MS',
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'takes two requests for 200 tokens with random kids',
      },
    },
  ],

  'A withdrawn signing key': [
    {
      name: 'remembered tokens',
      file: 'src/bearer/issuer.ts',
      find: 'if (hasLostKey) this.#keyGeneration += 1;',
      replace: '',
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'refuses the tokens of a removed key, remembered ones included',
      },
    },
    {
      name: 'ten minutes, at the API',
      file: 'src/bearer/issuer.ts',
      find: 'age >= REFRESH_AFTER_MS',
      replace: 'age >= 1e6 * REFRESH_AFTER_MS',
      also: [
        {
          file: 'src/bearer/issuer.ts',
          find: 'MAX_AGE_IN_OUTAGE_MS : MAX_AGE_MS',
          replace: 'MAX_AGE_IN_OUTAGE_MS : 1e6 * MAX_AGE_MS',
        },
      ],
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'notices a withdrawn key although every token is remembered',
      },
    },
    {
      name: 'an hour without the issuer',
      file: 'src/bearer/issuer.ts',
      find: 'isOutage ? MAX_AGE_IN_OUTAGE_MS',
      replace: 'isOutage ? 1e6 * MAX_AGE_IN_OUTAGE_MS',
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'leaves the cached keys in use for an hour, and no longer',
      },
    },
    {
      name: 'five minutes, at sign-in',
      file: 'src/auth/issuer-keys.ts',
      find: 'performance.now() - this.#loadedAt < KEYS_FRESH_MS',
      replace: 'performance.now() - this.#loadedAt < 1e6 * KEYS_FRESH_MS',
      test: {
        file: 'test/auth/signing-keys.test.ts',
        title: 'that is no longer published is refused after five minutes',
      },
    },
  ],

  'A forged, altered or replayed webhook': [
    {
      name: 'the signature',
      file: 'src/events/signature.ts',
      find: "if (!isOurs) throw new EventError('signature_invalid');",
      replace: '',
      test: { file: 'test/events/webhook.test.ts', title: 'signed with another secret' },
    },
    {
      name: 'its age',
      file: 'src/events/signature.ts',
      find: 'if (Math.abs(ageMs) > toleranceMs)',
      replace: 'if (Math.abs(ageMs) > 1e9 * toleranceMs)',
      test: { file: 'test/events/webhook.test.ts', title: 'signed over three minutes ago' },
    },
    {
      name: 'the memory of events',
      file: 'src/events/webhook.ts',
      find: "if (await leases.renewLease(...lease)) return { result: 'repeated', sessions: 0 };",
      replace: '',
      test: { file: 'test/events/webhook.test.ts', title: 'that comes twice is acted on once' },
    },
  ],
  'A forged or replayed logout token, or another token in its place': [
    {
      name: 'the audience',
      file: 'src/events/backchannel-logout.ts',
      find: 'audience: options.clientId,',
      replace: '',
      test: { file: 'test/events/backchannel-logout.test.ts', title: 'for another audience' },
    },
    {
      name: 'the event',
      file: 'src/events/backchannel-logout.ts',
      find: "if (typeof event !== 'object' || event === null || Array.isArray(event))",
      replace: 'if (event === 0)',
      test: { file: 'test/events/backchannel-logout.test.ts', title: 'without events' },
    },
    {
      name: 'no nonce',
      file: 'src/events/backchannel-logout.ts',
      find: "if (nonce !== undefined) throw invalid('has a nonce');",
      replace: '',
      test: { file: 'test/events/backchannel-logout.test.ts', title: 'with a nonce' },
    },
    {
      name: 'the memory of tokens',
      file: 'src/events/backchannel-logout.ts',
      find: 'await hold(WORK_MS);',
      replace: '',
      test: {
        file: 'test/events/backchannel-logout.test.ts',
        title: 'that comes again is refused',
      },
    },
  ],
  'A weak or contradictory setting': [
    {
      name: 'weak secrets',
      file: 'src/config/rules.ts',
      find: 'secret.length < 32 || new Set(secret).size < 10 || isRepeated(secret)',
      replace: "secret === ''",
      test: {
        file: 'test/config/config.test.ts',
        title: '%j are reported in a line that starts with %s',
      },
    },
    {
      name: 'secrets of fewer than 16 characters, in a copy',
      file: 'src/auth/session/seal.ts',
      find: "(secret ?? '').length < MIN_SECRET_LENGTH",
      replace: "(secret ?? '').length < 0 * MIN_SECRET_LENGTH",
      test: {
        file: 'test/auth/refused-options.test.ts',
        title: 'refuses %s as sessionSecrets, and says how to make one',
      },
    },
    {
      name: 'http in production',
      file: 'src/config/rules.ts',
      find: "s.BASE_URL.protocol !== 'https:' && !isLoopbackHttp(s.BASE_URL)",
      replace: "s.BASE_URL.protocol === ''",
      test: {
        file: 'test/config/config.test.ts',
        title: '%j are reported in a line that starts with %s',
      },
    },
    {
      name: 'an http issuer',
      file: 'src/config/settings.ts',
      find: "!issuer || issuer.protocol === 'https:' || isLoopbackHttp(issuer)",
      replace: "!issuer || issuer.protocol !== '' || isLoopbackHttp(issuer)",
      test: {
        file: 'test/config/config.test.ts',
        title: '%s=%s is reported in one line that says what to set',
      },
    },
    {
      name: 'TRUST_PROXY=true in production',
      file: 'src/config/rules.ts',
      find: 'trustsEverySender(s.TRUST_PROXY),',
      replace: "s.TRUST_PROXY === '',",
      test: {
        file: 'test/config/config.test.ts',
        title: 'refuses TRUST_PROXY=%s in production, which lets every sender name its own address',
      },
    },
    {
      name: 'all at once',
      file: 'src/config/config.ts',
      find: 'problems.push(...contradictions(values).filter((line) => !isReported(line)));',
      replace:
        'if (problems.length === 0) problems.push(...contradictions(values).filter((line) => !isReported(line)));',
      test: {
        file: 'test/config/config.test.ts',
        title: 'parseConfig reports every problem at once and quotes no value',
      },
    },
  ],

  'A full disk, a damaged file, a killed process, a wrong clock': [
    {
      name: 'a full disk by name',
      file: 'src/store/embedded/sqlite.ts',
      find: "[[13, 'ENOSPC'], 'store_full', 'has no room to grow'],",
      replace: '',
      also: [
        {
          file: 'src/store/embedded/sqlite.ts',
          find: "[[778], 'store_full', 'has no room to grow, or the disk is failing'],",
          replace: '',
        },
      ],
      test: {
        file: 'test/store/processes.test.ts',
        title: 'on a full disk refuses writes with store_full, and stays readable',
      },
    },
    {
      name: 'a damaged file by name, and kept',
      file: 'src/store/embedded/sqlite.ts',
      find: "[[26], 'store_damaged', 'is not a database'],",
      replace: '',
      test: {
        file: 'test/store/processes.test.ts',
        title: 'that is not a database is named and kept, and is created anew once moved aside',
      },
    },
    {
      name: 'nothing told before it is written',
      file: 'src/store/embedded/sqlite.ts',
      find: 'statement.run(values).changes',
      replace: '(setTimeout(() => statement.run(values), 500), 1)',
      test: {
        file: 'test/store/processes.test.ts',
        title: 'keep every acknowledged write of a killed one',
      },
    },
    {
      name: 'the size of a wrong clock',
      file: 'src/auth/sign-in/routes.ts',
      find: 'withHint(context, toSignInError(cause, attempt.returnTo))',
      replace: 'toSignInError(cause, attempt.returnTo)',
      test: {
        file: 'test/app/faults.test.ts',
        title: '%s is reported with its offset in the log and on the page',
      },
    },
  ],

  'The local AuthKit in production': [
    {
      name: 'never started by the app',
      file: 'src/config/rules.ts',
      find: '!s.AUTHKIT_ISSUER,',
      replace: "s.NODE_ENV === 'development',",
      test: {
        file: 'test/process/start.test.ts',
        title: 'never starts a local AuthKit in production',
      },
    },
    {
      name: 'refuses production by itself',
      file: 'src/development/local-authkit/start.ts',
      find: "if (process.env['NODE_ENV'] === 'production') {",
      replace: "if (process.env['NODE_ENV'] === '') {",
      test: {
        file: 'test/development/local-authkit/start.test.ts',
        title: 'refuses production with one sentence',
      },
    },
    {
      name: 'names of loopback alone',
      file: 'src/development/local-authkit/app.ts',
      find: 'if (!host || !names.has(host.hostname)) return void res.status(421).end();',
      replace: 'if (!host) return void res.status(421).end();',
      test: {
        file: 'test/development/local-authkit/start.test.ts',
        title: 'serves loopback host names only, and redirects them to the issuer’s name',
      },
    },
    {
      name: 'not in the image',
      file: 'deploy/Dockerfile',
      find: 'RUN rm -r dist/development/local-authkit && mkdir .data',
      replace: 'RUN mkdir .data',
      test: {
        file: 'test/operations/image.test.ts',
        title: 'holds what production needs, without tools, sources, settings or the local AuthKit',
      },
    },
  ],
};

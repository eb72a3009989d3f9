// The defences that .github/SECURITY.md claims, by the threat of its row. Each entry takes one defence out
// of the source, and names the test that then fails. `npm run defences` tries them all;
// security.test.ts checks that no entry is stale.

interface Edit {
  file: string;
  /** Occurs exactly once in the file. */
  find: string;
  replace: string;
}

export interface Defence extends Edit {
  /** What is taken away. */
  name: string;
  /** Further edits that the same defence needs. */
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

export const DEFENCES: Record<string, Defence[]> = {
  'A response for another browser or another sign-in (CSRF, code injection)': [
    {
      name: 'state',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'held.find(({ state }) => state === response.state)',
      replace: "held[0] && { ...held[0], state: response.state ?? '' }",
      test: {
        file: 'test/auth/sign-in/callback.test.ts',
        title: 'is refused where another sign-in was started, which goes on',
      },
    },
    {
      name: 'nonce',
      file: 'src/auth/sign-in/strategy.ts',
      find: "params.set('nonce', randomNonce());",
      replace: '',
      test: {
        file: 'test/auth/sign-in/sign-in.test.ts',
        title: 'asks for a code with PKCE, state and nonce',
      },
    },
    {
      name: 'PKCE',
      file: 'src/auth/sign-in/strategy.ts',
      find: "name === 'Location' && resolve(value)",
      replace: "name === 'Location' && resolve(value.replace(/&code_challenge[^&]*/g, ''))",
      test: {
        file: 'test/auth/sign-in/sign-in.test.ts',
        title: 'asks for a code with PKCE, state and nonce',
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
      find: 'if (!(await records.acquireLease(lease, owner, ATTEMPT_CLAIM_MS).catch(storeFailure))) {',
      replace: 'if (Number.isNaN(ATTEMPT_CLAIM_MS)) {',
      test: {
        file: 'test/auth/sign-in/callback.test.ts',
        title: 'signs in once, however many come at the same moment',
      },
    },
    {
      name: 'ten minutes',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'if (Date.now() - startedAt > LIFETIME_MS)',
      replace: 'if (startedAt === LIFETIME_MS)',
      test: {
        file: 'test/auth/sign-in/callback.test.ts',
        title: 'after ten minutes is refused',
      },
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
      find: 'FOREIGN_PARAMETERS.some((name) => query.has(name))',
      replace: 'FOREIGN_PARAMETERS.length === 0',
      test: { file: 'test/auth/sign-in/refused-responses.test.ts', title: 'a JARM response' },
    },
    {
      name: '8 kB',
      file: 'src/demo/middleware/bounds.ts',
      find: 'req.originalUrl.length > LONGEST_URL',
      replace: 'req.originalUrl.length > 1e9 * LONGEST_URL',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'answer an address of more than 8 kB with a page',
      },
    },
  ],

  'Mix-up of issuers': [
    {
      name: 'the issuer of the metadata, at sign-in',
      file: 'src/auth/issuer.ts',
      find: `const config = await client
    .discovery(issuer, clientId, metadata, authentication, options)
    .catch(failed);`,
      replace: `const url = new URL('/.well-known/openid-configuration', issuer).href;
  const found = await (await fetch(url, { headers: {} } as never)).json();
  const config = new client.Configuration(found, clientId, metadata, authentication);
  Object.assign(config, { timeout: options.timeout, [client.customFetch]: fetch });
  for (const allow of execute) allow(config);`,
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'metadata with %s: nobody is sent there',
      },
    },
    {
      name: 'the issuer of the metadata, at the API',
      file: 'src/bearer/discovery.ts',
      find: 'if (withoutSlash(named) !== withoutSlash(issuer.href))',
      replace: "if (withoutSlash(named) === '')",
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'names the configured and the advertised issuer side by side',
      },
    },
    {
      name: '`iss` of the response',
      file: 'src/auth/sign-in/strategy.ts',
      find: 'return url;',
      replace: "url.searchParams.delete('iss');\n    return url;",
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'iss of another in the redirect',
      },
    },
    {
      name: '`iss` where it is promised',
      file: 'src/auth/issuer.ts',
      find: 'new Response(noBody ? null : Buffer.concat(chunks), {',
      replace:
        "new Response(noBody ? null : Buffer.concat(chunks).toString().replace('authorization_response_iss', ''), {",
      test: {
        file: 'test/auth/sign-in/id-token.test.ts',
        title: 'may not be missing where it is promised',
      },
    },
  ],

  'A forged ID token': [
    {
      name: 'the signature',
      file: 'src/auth/sign-in/user.ts',
      find: 'await issuer.keys.verify(idToken);',
      replace: '',
      test: { file: 'test/auth/sign-in/id-token.test.ts', title: 'a key of somebody else' },
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
        title: 'another aud beside ours, azp being ours',
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
      find: "if (sub.trim() === '' || sub.length > LONGEST_SUB)",
      replace: 'if (sub.length > 1e9 * LONGEST_SUB)',
      test: {
        file: 'test/auth/sign-in/hostile-issuer.test.ts',
        title: 'a sub of 256 characters',
      },
    },
    {
      name: 'iat',
      file: 'src/auth/sign-in/user.ts',
      find: 'if (age < -CLOCK_TOLERANCE_S || age > OLDEST_S + CLOCK_TOLERANCE_S)',
      replace: 'if (Number.isNaN(age + OLDEST_S + CLOCK_TOLERANCE_S))',
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
        title: 'of another sub at UserInfo refuse the sign-in',
      },
    },
    {
      name: 'sub of the access token',
      file: 'src/auth/sign-in/user.ts',
      find: "if (!isAbout(user, tokens.accessToken)) throw new SignInError('user_mismatch');",
      replace: '',
      test: {
        file: 'test/auth/second-reading.test.ts',
        title: 'an access token about somebody else signs nobody in',
      },
    },
    {
      name: 'sub of refreshed tokens',
      file: 'src/auth/tokens/refresh.ts',
      find: 'if (!isAboutSame(user, clientId, body, next.tokens.accessToken)) {',
      replace: "if (next.tokens.accessToken === '') {",
      test: {
        file: 'test/auth/tokens/refresh.test.ts',
        title: 'that comes with %s ends the session',
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
        title: 'nothing at all: /login is 504 after five seconds',
      },
    },
    {
      name: '512 kB, at sign-in',
      file: 'src/auth/issuer.ts',
      find: 'if (size > MOST_BYTES)',
      replace: 'if (size > 1e9 * MOST_BYTES)',
      test: { file: 'test/auth/sign-in/id-token.test.ts', title: 'an answer of a megabyte' },
    },
    {
      name: 'no redirect, at sign-in',
      file: 'src/auth/issuer.ts',
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
      test: {
        file: 'test/bearer/introspection.test.ts',
        title: 'no answer',
      },
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

  'Open redirect': [
    {
      name: 'the rule',
      file: 'src/auth/sign-in/return-to.ts',
      find: "const home = '/' as SameOriginPath;",
      replace: `if (typeof value === 'string' && value !== '') return value as SameOriginPath;
  const home = '/' as SameOriginPath;`,
      test: {
        file: 'test/auth/sign-in/return-to-corpus.test.ts',
        title: 'leads to a path of the origin, seen from %s',
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
        title: 'gets a new id with each sign-in, and the old one is over',
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
        title: 'gets a new id with each sign-in, and the old one is over',
      },
    },
  ],

  'A cookie that a script reads, another site sends, or somebody forges': [
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
        title: 'an https BASE_URL alone makes every cookie Secure with the __Host- prefix',
      },
    },
    {
      name: 'the signature',
      file: 'src/auth/session/cookie.ts',
      find: 'unsign(value.slice(SIGNED.length), secret)',
      replace: 'value.slice(SIGNED.length).split(secret)[0]?.split(".")[0]',
      test: {
        file: 'test/auth/session/host-session.test.ts',
        title: 'takes a cookie with another signature for none, and leaves it alone',
      },
    },
    {
      name: 'a name for each application',
      file: 'src/auth/context.ts',
      find: "hash('sha256', clientId + baseUrl.origin, 'base64url').slice(0, 6)",
      replace: "hash('sha256', '', 'base64url').slice(0, 6)",
      test: {
        file: 'test/auth/session/cookies-of-a-host.test.ts',
        title: 'have cookies of different names, and the same person is signed in to both',
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
        title: 'the store holds no secret, and nothing about a person, in any encoding',
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
          'a sealed record opens with the secret and the cookie together, for its purpose only',
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
          'a sealed record opens with the secret and the cookie together, for its purpose only',
      },
    },
    {
      name: 'keyed index hashes',
      file: 'src/auth/session/seal.ts',
      find: "return [...this.of('person', issuer, sub), unkeyed];",
      replace: 'return [unkeyed];',
      test: {
        file: 'test/auth/session/index-keys.test.ts',
        title: 'cannot be read, and cannot be computed from what it is of without the secret',
      },
    },
    {
      name: 'the sealed user directory',
      file: 'src/demo/user-directory.ts',
      find: 'sealer.seal(JSON.stringify(user), key)',
      replace: 'Buffer.from(JSON.stringify(user))',
      test: {
        file: 'test/auth/session/stolen-store.test.ts',
        title: 'the store holds no secret, and nothing about a person, in any encoding',
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
        title: 'saved after the session has ended, does not bring it back',
      },
    },
    {
      name: 'compare-and-set in SQLite',
      file: 'src/store/embedded/store.ts',
      find: 'WHERE key = ? AND version = ? AND expires_at > ?',
      replace: 'WHERE key = ? AND version >= ? AND expires_at > ?',
      test: {
        file: 'test/store/store.test.ts',
        title: 'tokens are replaced once per version, whoever tries',
      },
    },
    {
      name: 'compare-and-set in Redis',
      file: 'src/store/redis/scripts.ts',
      find: 'if not isAlive or version ~= ARGV[2] then return 0 end',
      replace: 'if not isAlive then return 0 end',
      test: {
        file: 'test/store/store.test.ts',
        title: 'tokens are replaced once per version, whoever tries',
      },
    },
    {
      name: 'the record read by each request',
      file: 'src/auth/session/sealed-store.ts',
      find: 'const row = await this.#records.read(key);',
      replace: `const known = this.#opened.get(key);
    const row = known ? { ...known.row, version: 1, lastSeenAt: Date.now() } : await this.#records.read(key);`,
      test: {
        file: 'test/auth/session/session-changes.test.ts',
        title: 'serves nothing from memory once the session has ended elsewhere',
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
        title: 'answer 50 parallel requests at expiry with one exchange',
      },
    },
    {
      name: 'the look at the store first',
      file: 'src/auth/tokens/refresh.ts',
      find: 'if (held.version > due.version || !isDue(held.facts)) return { facts: held.facts };',
      replace: '',
      test: {
        file: 'test/auth/tokens/several-instances.test.ts',
        title: 'answer 50 parallel requests at expiry with one exchange',
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
        title: 'says that the grant is over, the session ends and leads back after signing in',
      },
    },
    {
      name: 'the third refusal ends it',
      file: 'src/auth/tokens/refusals.ts',
      find: 'return count + 1 >= MOST_REFUSALS || now - since >= LONGEST_REFUSED_MS;',
      replace:
        'return count + 1 >= 1e9 * MOST_REFUSALS || now - since >= 1e9 * LONGEST_REFUSED_MS;',
      test: {
        file: 'test/auth/tokens/refresh-refused.test.ts',
        title: 'the third %i %s ends the session',
      },
    },
    {
      name: 'the end without a refresh token',
      file: 'src/auth/session/session.ts',
      find: 'if (context.asksOffline && !facts.renewable && isExpired(facts)) {',
      replace:
        'if (context.asksOffline && !facts.renewable && isExpired(facts) && facts.scope === undefined) {',
      test: {
        file: 'test/auth/tokens/refresh-refused.test.ts',
        title:
          'a session that was given no refresh token ends with its access token, on every page',
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
        title: '%s signs nobody out, and opens pages for an hour only',
      },
    },
    {
      name: 'requireActiveSession',
      file: 'src/auth/tokens/active-grant.ts',
      find: 'return active && itsClientId === clientId && sub === user.sub;',
      replace: 'return active || (itsClientId === clientId && sub === user.sub);',
      test: {
        file: 'test/auth/tokens/active-grant.test.ts',
        title: 'ends the session once AuthKit %s, after the cached seconds at the latest',
      },
    },
  ],

  'Forms on other sites and subdomains': [
    {
      name: 'Origin',
      file: 'src/auth/forms.ts',
      find: '(origin !== undefined && origin !== baseUrl.origin)',
      replace: "(origin !== undefined && baseUrl.origin === '')",
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
        title: 'a name that begins like ours',
      },
    },
    {
      name: 'Sec-Fetch-Site',
      file: 'src/auth/forms.ts',
      find: "(site !== undefined && site !== 'same-origin' && site !== 'none')",
      replace: "site === ''",
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'another site, by Sec-Fetch-Site alone',
      },
    },
    {
      name: 'POST alone',
      file: 'src/auth/sign-out.ts',
      find: 'Router().post(context.paths.logout',
      replace: 'Router().all(context.paths.logout',
      test: { file: 'test/auth/sign-out.test.ts', title: 'never happens by GET' },
    },
  ],

  'A signed-in user who is told otherwise, by a link or an outage': [
    {
      name: '503 without the store',
      file: 'src/demo/routes/pages.ts',
      find: 'if (req.authSession?.unavailable) throw req.authSession.unavailable;',
      replace: '',
      test: {
        file: 'test/auth/sign-out.test.ts',
        title: 'tells nobody that they are signed out because the store is away',
      },
    },
    {
      name: 'nothing from the address',
      file: 'src/demo/routes/pages.ts',
      find: 'endsAtAuthKit: auth.advertisesEndSession()',
      replace: "endsAtAuthKit: req.query['state'] !== undefined",
      test: {
        file: 'test/auth/sign-out-at-authkit.test.ts',
        title: 'claims nothing to who types /signed-out%s',
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
        title: 'lets the page do nothing, be framed nowhere and be kept by nobody',
      },
    },
    {
      name: 'no frame',
      file: 'src/demo/middleware/headers.ts',
      find: `frameAncestors: ["'none'"],`,
      replace: `frameAncestors: ["'self'"],`,
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'lets the page do nothing, be framed nowhere and be kept by nobody',
      },
    },
    {
      name: 'nosniff',
      file: 'src/demo/middleware/headers.ts',
      find: 'const helmetSays = helmet({',
      replace: 'const helmetSays = helmet({\n    xContentTypeOptions: false,',
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'lets the page do nothing, be framed nowhere and be kept by nobody',
      },
    },
    {
      name: 'no-store',
      file: 'src/demo/middleware/no-store.ts',
      find: "res.set('Cache-Control', 'no-store');",
      replace: '',
      test: {
        file: 'test/demo/middleware/headers.test.ts',
        title: 'lets the page do nothing, be framed nowhere and be kept by nobody',
      },
    },
  ],

  'HTML in names and other values': [
    {
      name: 'the escape of the engine',
      file: 'src/demo/view-engine.ts',
      find: `typeof value === 'string' && !/[&<>'"]/.test(value)`,
      replace: "typeof value === 'string'",
      test: {
        file: 'test/demo/view-engine.test.ts',
        title: 'looks as it does in development, the second time as the first',
      },
    },
    {
      name: 'the escape in a view',
      file: 'views/profile.ejs',
      find: '<bdi><%= user.name %></bdi>',
      replace: '<bdi><%- user.name %></bdi>',
      test: { file: 'test/demo/views.test.ts', title: '%s: shows them as text' },
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
        title: 'in Host, X-Forwarded-Host or Forwarded reaches nothing in %s',
      },
    },
    {
      name: 'the redirect to the own host',
      file: 'src/demo/middleware/own-host.ts',
      find: 'res.redirect(302, sameAddressAt(baseUrl, req.originalUrl))',
      replace: 'res.redirect(302, `http://${req.headers.host}${req.originalUrl}`)',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'in Host, X-Forwarded-Host or Forwarded reaches nothing in %s',
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
        title: 'is refused beyond the limit, /login and /callback counted together',
      },
    },
    {
      name: 'the limit of refused tokens',
      file: 'src/demo/middleware/rate-limits.ts',
      find: 'return refused(req, res, (limited?: unknown) => next(limited ?? error));',
      replace: 'return next(error);',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'refuses refused tokens beyond the limit, and never a good one',
      },
    },
    {
      name: 'the address that is counted',
      file: 'src/demo/middleware/rate-limits.ts',
      find: 'keyGenerator: keyOf,',
      replace: "keyGenerator: (req) => String(req.headers['x-forwarded-for'] ?? keyOf(req)),",
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'is counted by the address that a trusted proxy names, and by no other',
      },
    },
    {
      name: 'the count that instances share',
      file: 'src/demo/middleware/rate-limits.ts',
      find: '...(storeFor && { store: storeFor(name) }),',
      replace: '',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'the count is shared by the instances, and ends by itself',
      },
    },
  ],

  'Requests that are too large, too slow, or not HTTP': [
    {
      name: '16 kB of headers',
      file: 'src/process/start.ts',
      find: 'maxHeaderSize: 16_384,',
      replace: 'maxHeaderSize: 1_638_400,',
      test: {
        file: 'test/demo/middleware/hardening.test.ts',
        title: 'refuse headers of more than 16 kB, cookies included',
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
      file: 'src/process/start.ts',
      find: 'headersTimeout: 10_000,',
      replace: 'headersTimeout: 30_000,',
      test: {
        file: 'test/process/shutdown.test.ts',
        title: 'with its headers is cut within 20 seconds, and many of them hold nobody up',
      },
    },
    {
      name: 'the time for a request',
      file: 'src/process/start.ts',
      find: 'requestTimeout: 30_000,',
      replace: 'requestTimeout: 300_000,',
      test: {
        file: 'test/process/shutdown.test.ts',
        title: 'with its body is cut within 40 seconds',
      },
    },
    {
      name: 'the response to what is not HTTP',
      file: 'src/process/start.ts',
      find: "server.on('clientError', refuseUnreadable);",
      replace: "server.on('clientError', () => undefined);",
      test: { file: 'test/app/fuzz.test.ts', title: 'for bytes that are no HTTP, sent raw' },
    },
  ],

  'Endless redirects': [
    {
      name: 'the fourth round',
      file: 'src/auth/sign-in/attempts.ts',
      find: 'held.filter(isInVain).length >= MOST_ROUNDS',
      replace: 'held.filter(isInVain).length >= 1e9 * MOST_ROUNDS',
      test: {
        file: 'test/demo/bad-requests.test.ts',
        title: 'gets a page that says so instead of the fourth round, and may then try again',
      },
    },
  ],

  'A form that another user of this browser left open': [
    {
      name: 'the user in the form',
      file: 'src/auth/forms.ts',
      find: 'stored?.people.includes(person) === true',
      replace: 'stored !== undefined',
      test: {
        file: 'test/auth/same-person.test.ts',
        title: 'on %s: POST %s is refused with a page that says so, and does nothing',
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
        title: 'has a level, a time and an event in each line, and the fields of the list',
      },
    },
    {
      name: 'the shortened path',
      file: 'src/auth/sign-in/routes.ts',
      find: "path.replaceAll(/(?=[^/]*\\d)[^/]{16,}/g, '…')",
      replace: 'path',
      test: {
        file: 'test/process/log.test.ts',
        title: 'holds none of the secrets, in no encoding',
      },
    },
    {
      name: 'redacted messages',
      file: 'src/process/log.ts',
      find: "text.replaceAll(SECRETS, '[redacted]')",
      replace: 'text',
      test: { file: 'test/process/log.test.ts', title: '%s is replaced' },
    },
    {
      name: 'no quotes of what was parsed',
      file: 'src/process/log.ts',
      find: "error instanceof SyntaxError ? 'the text cannot be parsed' : redact(error.message)",
      replace: 'redact(error.message)',
      test: {
        file: 'test/process/log.test.ts',
        title: 'is not quoted from a text that could not be parsed',
      },
    },
    {
      name: 'causes without response bodies',
      file: 'src/auth/openid-errors.ts',
      find: 'if (!(error instanceof Error)) return error instanceof Response ? error : undefined;',
      replace: 'if (!(error instanceof Error)) return error;',
      test: { file: 'test/auth/causes.test.ts', title: 'a refusal that quotes' },
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
        title: 'is a page with a reference alone (production: %s)',
      },
    },
    {
      name: 'our own sentences for sign-ins',
      file: 'src/demo/errors.ts',
      find: "error.code === 'clock_skew' ? `${error.hint ?? ''} ${advice}` : advice",
      replace: 'JSON.stringify([error.cause, Object(error.cause).error, advice])',
      test: {
        file: 'test/demo/error-codes.test.ts',
        title: 'shows no word that came with the request',
      },
    },
    {
      name: 'no hint in production',
      file: 'src/demo/errors.ts',
      find: '(production ? null : (answer.hint ?? null))',
      replace: '(answer.hint ?? null)',
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
      test: {
        file: 'test/bearer/refused-tokens.test.ts',
        title: 'a stranger who borrows the kid',
      },
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
      find: 'issuer: issuer.identifier,',
      replace: '',
      test: { file: 'test/bearer/refused-tokens.test.ts', title: 'another issuer' },
    },
    {
      name: 'the audience',
      file: 'src/bearer/verify-token.ts',
      find: 'audience: [expected.audience].flat(),',
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
      name: 'introspection',
      file: 'src/bearer/introspection.ts',
      find: "return response['active'] === true && isAbout(response, accessToken);",
      replace: 'return isAbout(response, accessToken);',
      test: { file: 'test/bearer/introspection.test.ts', title: 'inactive with matching members' },
    },
    {
      name: 'introspection of the same token',
      file: 'src/bearer/introspection.ts',
      find: "response['active'] === true && isAbout(response, accessToken)",
      replace: "response['active'] === true",
      test: { file: 'test/bearer/introspection.test.ts', title: 'about another user' },
    },
  ],

  'An ID token at the API': [
    {
      name: 'the claims of an ID token',
      file: 'src/bearer/verify-token.ts',
      find: 'if (kind === null || has(OF_ID_TOKENS)) return false;',
      replace: 'if (kind === null) return false;',
      test: {
        file: 'test/bearer/require-token.test.ts',
        title: '%s is refused where its audience is accepted',
      },
    },
    {
      name: 'the application’s own client id',
      file: 'src/bearer/verify-token.ts',
      find: 'if (own !== undefined && [aud].flat().includes(own)) return showsKind && !has(OF_SIGN_INS);',
      replace: '',
      test: {
        file: 'test/bearer/require-token.test.ts',
        title: 'of the own application, %s, is refused',
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
        title: 'in a form, whose body is not waited for',
      },
    },
    {
      name: 'no token in a cookie',
      file: 'src/bearer/read-token.ts',
      find: 'const value = authorization(req.rawHeaders);',
      replace: `const value =
    authorization(req.rawHeaders) ?? req.headers.cookie?.replace(/^.*access_token=/, 'Bearer ');`,
      test: {
        file: 'test/bearer/refused-tokens.test.ts',
        title: 'a token in a cookie: 401 without an error code',
      },
    },
    {
      name: 'one header',
      file: 'src/bearer/read-token.ts',
      find: 'if (found !== undefined) {',
      replace: "if (found === '') {",
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
      find: 'return beforeAsking ? [beforeAsking, ask] : [ask];',
      replace: 'return [ask];',
      test: {
        file: 'test/demo/middleware/rate-limits.test.ts',
        title: 'is asked for nobody who is over the limit, not even for a good token',
      },
    },
    {
      name: 'one at a time for a token',
      file: 'src/bearer/introspection.ts',
      find: 'answers.set(key, answer);',
      replace: '',
      test: {
        file: 'test/bearer/introspection-shared.test.ts',
        title: 'that come while it is asked about share the answer: 100 of them cost one request',
      },
    },
    {
      name: 'two seconds',
      file: 'src/bearer/introspection.ts',
      find: 'if (isRefused) answer.until = performance.now() + REFUSED_MS;',
      replace: 'if (isRefused) answer.until = performance.now() - REFUSED_MS;',
      test: {
        file: 'test/bearer/introspection-shared.test.ts',
        title: 'are refused for two seconds once it is not active, without a request',
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
        title: '200 tokens with random kids cost the issuer a handful of fetches',
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
        title: 'a key that leaves takes the tokens it signed along, remembered ones included',
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
        title: 'a withdrawn key is noticed although every token is remembered',
      },
    },
    {
      name: 'an hour without the issuer',
      file: 'src/bearer/issuer.ts',
      find: 'isAway ? MAX_AGE_IN_OUTAGE_MS',
      replace: 'isAway ? 1e6 * MAX_AGE_IN_OUTAGE_MS',
      test: {
        file: 'test/bearer/issuer-keys.test.ts',
        title: 'is bridged by the keys already had for an hour, and no longer',
      },
    },
    {
      name: 'five minutes, at sign-in',
      file: 'src/auth/issuer-keys.ts',
      find: 'performance.now() - this.#loadedAt < KEYS_FRESH_MS',
      replace: 'performance.now() - this.#loadedAt < 1e6 * KEYS_FRESH_MS',
      test: {
        file: 'test/auth/signing-keys.test.ts',
        title: 'and is no longer published signs nobody in after five minutes',
      },
    },
  ],

  'A weak or contradictory setting': [
    {
      name: 'weak secrets',
      file: 'src/config/rules.ts',
      find: 'secret.length < 32 || new Set(secret).size < 10',
      replace: "secret === ''",
      test: { file: 'test/config/config.test.ts', title: '%j: the line begins with %s' },
    },
    {
      name: 'secrets of fewer than 16 characters, in a copy',
      file: 'src/auth/session/seal.ts',
      find: "(secret ?? '').length < SHORTEST_SECRET",
      replace: "(secret ?? '').length < 0 * SHORTEST_SECRET",
      test: {
        file: 'test/auth/second-reading.test.ts',
        title: 'and a copy with a short secret is told which option it is, and how to make one',
      },
    },
    {
      name: 'http in production',
      file: 'src/config/rules.ts',
      find: "s.BASE_URL.protocol !== 'https:' && !isLoopbackHttp(s.BASE_URL)",
      replace: "s.BASE_URL.protocol === ''",
      test: { file: 'test/config/config.test.ts', title: '%j: the line begins with %s' },
    },
    {
      name: 'an http issuer',
      file: 'src/config/settings.ts',
      find: "!issuer || issuer.protocol === 'https:' || isLoopbackHttp(issuer)",
      replace: "!issuer || issuer.protocol !== '' || isLoopbackHttp(issuer)",
      test: {
        file: 'test/config/config.test.ts',
        title: '%s=%s is one line that says what to set',
      },
    },
    {
      name: 'TRUST_PROXY=true in production',
      file: 'src/config/rules.ts',
      find: "s.TRUST_PROXY === 'true'",
      replace: "s.TRUST_PROXY === ''",
      test: {
        file: 'test/auth/second-reading.test.ts',
        title: 'refuse a proxy setting in production that lets anybody name their address',
      },
    },
    {
      name: 'all at once',
      file: 'src/config/config.ts',
      find: 'problems.push(...contradictions(values).filter((line) => !isTold(line)));',
      replace: `if (problems.length === 0) problems.push(...contradictions(values).filter((line) => !isTold(line)));`,
      test: {
        file: 'test/config/config.test.ts',
        title:
          'reports every problem at once, those that follow from others too, and quotes no value',
      },
    },
  ],

  'A full disk, a damaged file, a killed process, a wrong clock': [
    {
      name: 'a full disk by name',
      file: 'src/store/embedded/sqlite.ts',
      find: "[/^(SQLITE_FULL|ENOSPC)/, 'store_full', 'has no room to grow'],",
      replace: '',
      also: [
        {
          file: 'src/store/embedded/sqlite.ts',
          find: "[/^SQLITE_IOERR_WRITE/, 'store_full', 'has no room to grow, or the disk fails'],",
          replace: '',
        },
      ],
      test: {
        file: 'test/store/processes.test.ts',
        title: 'without room refuses writes with a clear error, and is read on',
      },
    },
    {
      name: 'a damaged file by name, and kept',
      file: 'src/store/embedded/sqlite.ts',
      find: "[/^SQLITE_NOTADB/, 'store_damaged', 'is not a database'],",
      replace: '',
      test: {
        file: 'test/store/processes.test.ts',
        title: 'that is no database is kept and named, and opens afresh once moved aside',
      },
    },
    {
      name: 'nothing told before it is written',
      file: 'src/store/embedded/sqlite.ts',
      find: 'statement.run(values).changes',
      replace: '(setTimeout(() => statement.run(values), 500), 1)',
      test: {
        file: 'test/store/processes.test.ts',
        title: 'lose nothing that was acknowledged to one that is killed',
      },
    },
    {
      name: 'the size of a wrong clock',
      file: 'src/auth/sign-in/routes.ts',
      find: 'withClockHint(context, toSignInError(cause, attempt.returnTo))',
      replace: 'toSignInError(cause, attempt.returnTo)',
      test: {
        file: 'test/app/faults.test.ts',
        title: '%s is named with its size, in the log and on the page',
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
        title: 'answers to names of loopback only',
      },
    },
    {
      name: 'not in the image',
      file: 'deploy/Dockerfile',
      find: 'RUN rm -r dist/development/local-authkit && mkdir .data',
      replace: 'RUN mkdir .data',
      test: {
        file: 'test/deploy/image.test.ts',
        title: 'holds what production needs, and neither tools, sources nor the local AuthKit',
      },
    },
  ],
};

// The data that the routes pass to the views, with unusual values: long, missing, right-to-left,
// hostile.
export interface ViewFixture {
  view: string;
  data: Record<string, unknown>;
}

export const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>"onload=\'alert(3)';

const now = new Date('2026-11-25T14:01:00Z');
const minutes = (count: number) => new Date(now.getTime() + count * 60_000);

const ada = {
  sub: 'user_01JH8V5B0T9Z8Q6W3E4R5T6Y7U',
  name: 'Ada Lindqvist',
  email: 'ada.lindqvist@example.com',
  orgId: 'org_01JH8V4ZC2M7N8B9V6C5X4Z3A2',
};
const longName = {
  ...ada,
  name: 'Maximiliana-Alexandrina von Hohenstein-Wittelsbach und zu Liechtenfels-Oberzwölf',
  email: `${'maximiliana.'.repeat(5)}hohenstein@a-very-long-name-of-a-mail-domain.example.com`,
};
const rightToLeft = { sub: ada.sub, name: 'ليلى بنت عبد الله الهاشمي', email: ada.email };
const nameless = { sub: ada.sub };
const hostile = { sub: HOSTILE, name: HOSTILE, email: HOSTILE, orgId: HOSTILE };

const profile = {
  path: '/profile',
  user: ada,
  scopes: ['openid', 'profile', 'email', 'offline_access', 'posts:moderate'],
  permissions: ['posts:moderate'],
  session: { startedAt: minutes(-42), idleEndsAt: minutes(1440), endsAt: minutes(10_038) },
  accessToken: { expiresAt: minutes(5), renewsAt: minutes(4), renewable: true, expired: false },
  claims: { iss: 'https://forum.authkit.app', ...ada, email_verified: true, iat: 1_795_615_260 },
  authkitUnreachable: false,
};
const session = {
  handle: 'h1',
  current: true,
  startedAt: minutes(-42),
  lastSeenAt: now,
  browser: 'Firefox on Linux',
};
const sessions = {
  path: '/sessions',
  user: ada,
  sessions: [
    session,
    { ...session, handle: 'h2', current: false, startedAt: minutes(-490_000) },
    { ...session, handle: 'h3', current: false, browser: 'An unknown browser' },
  ],
  revocation: true,
};
const error = {
  path: '/callback',
  status: 400,
  heading: 'This sign-in took too long',
  explanation: 'It was started more than ten minutes ago. Sign in again to go on.',
  action: { label: 'Sign in again', href: '/login?return_to=%2Fprofile' },
  secondary: { label: 'Go to the home page', href: '/' },
  code: 'attempt_expired',
  reference: 'q1W2e3R4',
  developerHint: `Open the app under BASE_URL, ${'x'.repeat(120)}, and set TRUST_PROXY.`,
};
const apiCall = {
  path: '/api-call',
  user: ada,
  status: 200,
  durationMs: 12,
  result: '{\n  "a": 1\n}',
};

const draft = {
  path: '/draft',
  draft: 'Somebody posts the same advertisement in every thread.\n\nCan you help?',
  longest: 2_000,
};

const fixture = (view: string, data: Record<string, unknown> = {}): ViewFixture => ({
  view,
  data: {
    user: null,
    person: 'key-of-the-person',
    path: '/',
    now,
    localAuthKit: true,
    productName: 'Harbor Forum',
    ...data,
  },
});

export const FIXTURES: Record<string, ViewFixture> = {
  'home, signed out': fixture('home'),
  'home, signed in': fixture('home', { user: ada }),
  'home, a name of 80 characters': fixture('home', { user: longName }),
  'home, a right-to-left name': fixture('home', { user: rightToLeft }),
  profile: fixture('profile', profile),
  'profile, long values, AuthKit away, access token expired': fixture('profile', {
    ...profile,
    user: longName,
    authkitUnreachable: true,
    accessToken: { expiresAt: minutes(-3), renewsAt: minutes(-4), renewable: true, expired: true },
  }),
  'profile, no name, no e-mail, no organization, nothing granted': fixture('profile', {
    ...profile,
    user: nameless,
    scopes: [],
    permissions: [],
    claims: {},
    accessToken: { ...profile.accessToken, renewsAt: null, renewable: false },
  }),
  'profile, hostile values': fixture('profile', {
    ...profile,
    user: hostile,
    scopes: [HOSTILE],
    permissions: [HOSTILE],
    claims: { [HOSTILE]: HOSTILE, nested: { [HOSTILE]: [HOSTILE] } },
  }),
  organization: fixture('organization', { path: '/organization', user: ada, orgId: ada.orgId }),
  'organization, hostile values': fixture('organization', { user: hostile, orgId: HOSTILE }),
  sessions: fixture('sessions', { ...sessions, notice: 'That session had already ended.' }),
  'sessions, no revocation, none listed': fixture('sessions', {
    ...sessions,
    sessions: [],
    revocation: false,
  }),
  'sessions, hostile values': fixture('sessions', {
    ...sessions,
    user: hostile,
    sessions: [{ ...session, handle: HOSTILE, browser: HOSTILE }],
  }),
  moderation: fixture('moderation', { path: '/moderation', user: ada, checkedAt: now }),
  'API call': fixture('api-call', apiCall),
  'API call, refused, a long response without spaces': fixture('api-call', {
    ...apiCall,
    status: 503,
    result: 'y'.repeat(900),
  }),
  'API call, hostile values': fixture('api-call', { ...apiCall, result: HOSTILE }),
  draft: fixture('draft', { ...draft, user: ada, notice: 'Draft saved.' }),
  'draft, a visitor, nothing yet': fixture('draft', { ...draft, draft: '' }),
  'draft, hostile values': fixture('draft', {
    ...draft,
    user: hostile,
    draft: `</textarea>${HOSTILE}`,
  }),
  'signed out': fixture('signed-out', { path: '/signed-out', hasEndedAtAuthKit: false }),
  'signed out, at AuthKit too': fixture('signed-out', { hasEndedAtAuthKit: true }),
  'signed out, still signed in': fixture('signed-out', { user: longName, hasEndedAtAuthKit: true }),
  'signed out, hostile values': fixture('signed-out', { user: hostile, hasEndedAtAuthKit: false }),
  error: fixture('error', error),
  'error, nothing to press': fixture('error', {
    ...error,
    user: longName,
    action: null,
    secondary: null,
    developerHint: null,
  }),
  'error, hostile values': fixture('error', {
    ...error,
    heading: HOSTILE,
    explanation: HOSTILE,
    developerHint: HOSTILE,
    action: { label: HOSTILE, href: `/login?return_to=${HOSTILE}` },
  }),
};

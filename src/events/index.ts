// COPY THIS FOLDER to end sessions when AuthKit says so. It needs only express and jose.
// License: MIT, or 0BSD for what you copy, as you like.
//
// Read: webhook.ts (POST /webhooks/authkit) -> signature.ts -> news.ts (what each event means);
// backchannel-logout.ts (POST /backchannel-logout), for issuers that send logout tokens.
//
// Wire it before any body parser, since the signature covers the bytes of the body:
//   app.use(webhook({ secrets, sessions: auth, leases: store }))

export { backchannelLogout, type BackchannelLogoutOptions } from './backchannel-logout.ts';
export { EventError, EVENT_ERROR_CODES, type EventErrorCode } from './errors.ts';
export { signWebhook } from './signature.ts';
export type { EventListener, Leases, NewsEvent, SessionMatch, Sessions } from './types.ts';
export { webhook, type WebhookOptions } from './webhook.ts';

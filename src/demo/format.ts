// Formats times, names and scopes for the pages, in English and in UTC (without a script, the page
// cannot know the user's time zone). The app puts these functions into `app.locals`, so every view
// can call them.

/** The fields a display name is chosen from. */
interface Named {
  sub: string;
  name?: string | undefined;
  email?: string | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// Created once, and not before a name needs it: that takes a twentieth of the app's start.
let graphemes: Intl.Segmenter | undefined;

/**
 * The distance from now: `in 4 minutes`, `3 days ago`. Uses minutes up to two hours and hours up to
 * two days, so that rounding never changes the distance by more than a quarter.
 */
export function timeInWords(date: Date, now: Date): string {
  const distance = date.getTime() - now.getTime();
  const size = Math.abs(distance);
  if (size < MINUTE) return distance > 0 ? 'in less than a minute' : 'just now';
  const [unit, name] =
    size < 2 * HOUR ? [MINUTE, 'minute'] : size < 2 * DAY ? [HOUR, 'hour'] : [DAY, 'day'];
  const count = Math.round(size / unit);
  const words = `${count} ${name}${count === 1 ? '' : 's'}`;
  return distance > 0 ? `in ${words}` : `${words} ago`;
}

const MONTHS =
  'January February March April May June July August September October November December'.split(
    ' ',
  );

/**
 * A time of day in UTC, with the date if it is not today and the year if it is not this year. A caller
 * that has the date as an ISO string passes it on.
 */
export function clock(date: Date, now: Date, iso = date.toISOString()): string {
  const time = `${iso.slice(11, 16)} UTC`;
  if (dayOf(date) === dayOf(now)) return time;
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return date.getUTCFullYear() === now.getUTCFullYear()
    ? `${day}, ${time}`
    : `${day} ${date.getUTCFullYear()}, ${time}`;
}

/** A time as HTML, for `<%~`: `<time>12:00 UTC</time>, in 4 minutes`. Nothing in it comes from a user. */
export function moment(date: Date, now: Date): string {
  const iso = date.toISOString();
  const time = `<time datetime="${iso}">${clock(date, now, iso)}</time>`;
  return `${time}<span class="muted">, ${timeInWords(date, now)}</span>`;
}

const dayOf = (date: Date) => Math.floor(date.getTime() / DAY);

/** The user's name, else the e-mail address, else the id; never empty. */
export function displayName(user: Named): string {
  return user.name?.trim() || user.email?.trim() || user.sub;
}

/** The first visible character of the name (a whole grapheme), for the round badge. */
export function initial(user: Named): string {
  const name = displayName(user);
  // Below U+0300 no character combines with the one before it, so the segmenter is not needed.
  if (/^[\0-\u02ff](?![^\0-\u02ff])/.test(name)) return name.charAt(0).toUpperCase();
  graphemes ??= new Intl.Segmenter('en');
  const [first] = graphemes.segment(name);
  return (first?.segment ?? '?').toUpperCase();
}

const SCOPES = new Map([
  ['openid', 'Confirm who you are'],
  ['profile', 'See your name and picture'],
  ['email', 'See your e-mail address'],
  ['offline_access', 'Keep access while you are signed in here, without asking again'],
]);

/** What a granted scope allows; any other scope is a permission of the AuthKit environment. */
export function scopeInWords(scope: string): string {
  return SCOPES.get(scope) ?? 'A permission of your role';
}

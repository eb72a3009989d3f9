// The words the pages say: times, names and scopes, in English and in UTC (without a script in the
// page, the reader's own time zone is not known). The app puts these functions into `app.locals`, so
// every view can call them.

/** The least that is needed to call someone by a name. */
interface Named {
  sub: string;
  name?: string | undefined;
  email?: string | undefined;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

// Made once: a segmenter costs more than the page it is for.
const graphemes = new Intl.Segmenter('en');

/**
 * How far a time is from now: `in 4 minutes`, `3 days ago`. Counts in minutes up to two hours and
 * in hours up to two days, so that rounding never hides more than a quarter of the distance.
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

/** A time of day in UTC, with the date where that is not today's and the year where it differs. */
export function clock(date: Date, now: Date): string {
  const time = `${date.toISOString().slice(11, 16)} UTC`;
  if (dayOf(date) === dayOf(now)) return time;
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return date.getUTCFullYear() === now.getUTCFullYear()
    ? `${day}, ${time}`
    : `${day} ${date.getUTCFullYear()}, ${time}`;
}

const dayOf = (date: Date) => Math.floor(date.getTime() / DAY);

/** What to call a user: the name, else the e-mail address, else the id; never an empty text. */
export function displayName(user: Named): string {
  return user.name?.trim() || user.email?.trim() || user.sub;
}

/** The first character a reader would see of the name (a whole grapheme), for the round mark. */
export function initial(user: Named): string {
  const name = displayName(user);
  // Below U+0300 nothing combines with what stands before it: no need to ask the segmenter.
  if (/^[\0-\u02ff](?![^\0-\u02ff])/.test(name)) return name.charAt(0).toUpperCase();
  const [first] = graphemes.segment(name);
  return (first?.segment ?? '?').toUpperCase();
}

const SCOPES = new Map([
  ['openid', 'Know that it is you'],
  ['profile', 'See your name and picture'],
  ['email', 'See your e-mail address'],
  ['offline_access', 'Keep access while you are signed in here, without asking again'],
]);

/** What a granted scope allows; other scopes are permissions named by the AuthKit environment. */
export function scopeInWords(scope: string): string {
  return SCOPES.get(scope) ?? 'A permission of your role';
}

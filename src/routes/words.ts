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

// Made once: a formatter costs more than the page it is for.
const relative = new Intl.RelativeTimeFormat('en');
const graphemes = new Intl.Segmenter('en');

/**
 * How far a time is from now: `in 4 minutes`, `3 days ago`. Counts in minutes up to two hours and
 * in hours up to two days, so that rounding never hides more than a quarter of the distance.
 */
export function timeInWords(date: Date, now: Date): string {
  const distance = date.getTime() - now.getTime();
  const size = Math.abs(distance);
  if (size < MINUTE) return distance > 0 ? 'in less than a minute' : 'just now';
  if (size < 2 * HOUR) return relative.format(Math.round(distance / MINUTE), 'minute');
  if (size < 2 * DAY) return relative.format(Math.round(distance / HOUR), 'hour');
  return relative.format(Math.round(distance / DAY), 'day');
}

const MONTHS =
  'January February March April May June July August September October November December'.split(
    ' ',
  );

/** A time of day in UTC, with the date where that is not today's and the year where it differs. */
export function clock(date: Date, now: Date): string {
  const [iso, today] = [date.toISOString(), now.toISOString()];
  const time = `${iso.slice(11, 16)} UTC`;
  if (iso.slice(0, 10) === today.slice(0, 10)) return time;
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return date.getUTCFullYear() === now.getUTCFullYear()
    ? `${day}, ${time}`
    : `${day} ${date.getUTCFullYear()}, ${time}`;
}

/** What to call a user: the name, else the e-mail address, else the id; never an empty text. */
export function displayName(user: Named): string {
  return user.name?.trim() || user.email?.trim() || user.sub;
}

/** The first character a reader would see of the name (a whole grapheme), for the round mark. */
export function initial(user: Named): string {
  const [first] = graphemes.segment(displayName(user));
  return (first?.segment ?? '?').toLocaleUpperCase('en');
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

// The protection against open redirects. RFC 9700 §4.11: a client must not redirect a browser to a
// URL that a link chose. https://www.rfc-editor.org/rfc/rfc9700#section-4.11

declare const sameOrigin: unique symbol;
/** A path on this origin that is safe in a Location header. Only `sameOriginPath` makes one. */
export type SameOriginPath = string & { [sameOrigin]: true };

// Five sign-in attempts, each with its path, must fit into the 8 kB a proxy allows for cookies.
const MAX_LENGTH = 800;
// Any origin will do, as long as no input can name it.
const ORIGIN = 'https://return-to.invalid';
const DEFAULT_AUTH_PATHS = ['/login', '/callback', '/logout'];

/**
 * The path, query and fragment of `value` if it is a path on this origin, else `/`. `authPaths` are
 * the paths of sign-in itself: returning to one would start, complete or end a sign-in instead of
 * showing a page.
 * IMPORTANT: `value` is untrusted. It is parsed as a browser parses it, and the parser's output is
 * returned: a browser strips tabs, reads `\` as `/` and resolves `/.//x` to `//x`.
 */
export function sameOriginPath(value: unknown, authPaths = DEFAULT_AUTH_PATHS): SameOriginPath {
  const home = '/' as SameOriginPath;
  if (typeof value !== 'string' || value.length > MAX_LENGTH) return home;
  // A leading `//` or `/\` names another host; control characters would be dropped before parsing.
  // oxlint-disable-next-line no-control-regex
  if (!/^\/(?![/\\])/.test(value) || /[\u0000-\u001f\u007f-\u009f\\]/.test(value)) return home;
  if (!URL.canParse(value, ORIGIN)) return home;
  const url = new URL(value, ORIGIN);
  const path = url.pathname + url.search + url.hash;
  if (url.origin !== ORIGIN || path.startsWith('//') || path.length > MAX_LENGTH) return home;
  return isWithin(url.pathname, authPaths) ? home : (path as SameOriginPath);
}

/** Case-insensitive, as Express matches routes. */
function isWithin(pathname: string, paths: string[]): boolean {
  const lower = `${pathname.toLowerCase()}/`;
  return paths.some((path) => lower.startsWith(`${path.toLowerCase()}/`));
}

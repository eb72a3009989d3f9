// The settings that are URLs: their syntax, so that no library refuses one later.
import { z } from 'zod';
import { parseRedisUrl } from '../store/redis-connection/address.ts';

/** A URL; `message` says what else to set. */
export const url = (message: string) =>
  z
    .string()
    .transform((text, context) => {
      // Not URL.canParse: on Node 20 and 22, after some thousand calls, it refuses é and the like.
      try {
        return new URL(text);
      } catch {
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      }
    })
    .optional();

/** An issuer as it is named: URL adds a slash to a bare origin, and only that one is not its own. */
export const issuerName = ({ origin, pathname, href }: URL) => (pathname === '/' ? origin : href);

export const isHttp = ({ protocol }: URL) => /^https?:$/.test(protocol);

/** Stays text: a list of hosts with ports is no URL to `new URL()`. */
export const redisUrl = z
  .string()
  .superRefine((text, context) => {
    const message = redisUrlProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  })
  .optional();

/** The proxy for requests to AuthKit. */
export const proxyUrl = url('is not a URL; set http://host:port, with %23 for # in a password')
  .refine((proxy) => !proxy || isHttp(proxy), {
    error: 'is not an http or https URL; set http://host:port',
  })
  // Part of a password is taken for a path if it contains a slash.
  .refine((proxy) => !proxy || !isHttp(proxy) || proxy.href.endsWith(`${proxy.host}/`), {
    error: 'has a path; set http://host:port, with %2F for / in a password',
  })
  .refine((proxy) => !proxy || canDecode(proxy.username + proxy.password), {
    error: 'has a % in its user name or password that encodes nothing; set %25 for it',
  });

const TARGET = 'target_session_attrs';
const SSL_MODE = /^(disable|require|verify-ca|verify-full|no-verify)$/;

/** PostgreSQL, with a database. */
export const databaseUrl = url('is not a URL; set postgres://user@host:5432/database')
  .refine((db) => !db || /^postgres(ql)?:$/.test(db.protocol), {
    error: 'is not a PostgreSQL URL; set postgres:// or postgresql://',
  })
  .refine((db) => !db || canDecode(db.username + db.password + db.pathname), {
    error: 'has a % that encodes nothing; set %25 for it',
  })
  .refine((db) => !db || /^\/./.test(db.pathname), {
    error: 'names no database; set one, such as postgres://user@host:5432/database',
  })
  // node-postgres knows neither; it would take the list for one name, and ignore the parameter.
  .refine((db) => !db || !(db.host.includes(',') || db.searchParams.has(TARGET)), {
    error: 'leaves the choice of a server to the client; set one host that leads to the primary',
  })
  .refine((db) => !db || SSL_MODE.test(db.searchParams.get('sslmode') ?? 'disable'), {
    error: 'has an sslmode that is unknown; set verify-full, disable or no-verify',
  });

function redisUrlProblem(text: string): string | undefined {
  try {
    parseRedisUrl(text);
    return undefined;
  } catch (error) {
    return (error as TypeError).message;
  }
}

function canDecode(text: string): boolean {
  try {
    return decodeURIComponent(text) !== undefined;
  } catch {
    return false;
  }
}

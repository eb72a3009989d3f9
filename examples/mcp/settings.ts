// The settings, from the environment; the defaults are for the local AuthKit.

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export interface Settings {
  issuer: URL;
  /** The URL that clients call. It is also the resource indicator, and so the audience of tokens. */
  mcpUrl: string;
  port: number;
}

/** @throws SettingsError in one sentence that names the variable */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const mcpUrl = env['MCP_URL'] || 'http://localhost:3200/mcp';
  const { href, pathname, port } = readUrl('MCP_URL', mcpUrl);
  // AuthKit and clients compare it character by character, and some clients send it as URL writes it
  // (RFC 8707 §2, RFC 9728 §3.3). Express would take other characters of the path for a pattern.
  if (mcpUrl !== href || !/^\/[\w\-./~]+$/.test(pathname) || !href.endsWith(pathname)) {
    throw new SettingsError(`MCP_URL must be a plain URL with a path, not ${mcpUrl}`);
  }
  return {
    issuer: readUrl('AUTHKIT_ISSUER', env['AUTHKIT_ISSUER'] || 'http://localhost:4000'),
    mcpUrl,
    port: readPort(env['PORT'] || port || '3200'),
  };
}

// Tokens pass through both URLs: plain http is safe only on loopback (RFC 8252 §8.3).
function readUrl(name: string, value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const mayBeHttp = url !== undefined && isLoopback(url);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && mayBeHttp)) return url;
  throw new SettingsError(`${name} must be an https URL (http on this machine only), not ${value}`);
}

function readPort(value: string): number {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value);
  throw new SettingsError(`PORT must be a number up to 65535, not ${value}`);
}

export const isLoopback = ({ hostname }: URL) =>
  /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);

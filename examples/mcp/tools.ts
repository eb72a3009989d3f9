// The tools, and what a token must grant for each. Replace them with yours.

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { AuthInfo } from '@modelcontextprotocol/sdk/server/auth/types.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { RequestHandler } from 'express';
import { requireOrganization, requireScope } from '../../src/bearer/index.ts';
import type { AccessToken } from '../../src/bearer/index.ts';

/** The guards of src/bearer by tool; every other tool needs a valid token only. */
export const toolGuards: ReadonlyMap<string, RequestHandler> = new Map([
  ['organization', requireOrganization()],
  ['list_posts', requireScope('posts:read')],
]);

/** An MCP server with all tools, for one session. */
export function createMcpServer(): McpServer {
  const server = new McpServer({ name: 'authkit-example', version: '1.0.0' });

  server.registerTool('whoami', { description: 'Says who is calling' }, ({ authInfo }) => {
    const { sub, orgId, clientId, scopes } = callerOf(authInfo);
    return respond({ sub, org_id: orgId ?? null, client_id: clientId ?? null, scopes });
  });

  const organization = { description: 'Names the organization that the user selected' };
  server.registerTool('organization', organization, ({ authInfo }) =>
    respond({ org_id: callerOf(authInfo).orgId }),
  );

  server.registerTool('list_posts', { description: 'Lists the posts' }, () =>
    respond([{ id: 1, title: 'Opening hours in December' }]),
  );

  return server;
}

/**
 * What tools get of a token: its claims. `token` stays empty, because it was issued for this server,
 * which must not send it to another API ("Token Passthrough" in MCP's security best practices).
 */
export function toAuthInfo(caller: AccessToken): AuthInfo {
  const { clientId = '', scopes, expiresAt } = caller;
  return { token: '', clientId, scopes: [...scopes], expiresAt, extra: { caller } };
}

// The token of this request, not of the one that opened the session: its organization and scopes may
// differ.
function callerOf(authInfo: AuthInfo | undefined): AccessToken {
  const caller = authInfo?.extra?.['caller'];
  if (caller === undefined) throw new Error('A tool was called without a token');
  return caller as AccessToken;
}

const respond = (value: unknown): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(value) }],
});

// The MCP example as a process with a local AuthKit, and clients of the official SDK that people sign
// in to.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  UnauthorizedError,
  type OAuthClientProvider,
} from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js';
import { startTestAuthKit, type LocalAuthKit } from '../authkit/local-authkit.ts';
import {
  signInOverHttp,
  type SignInChoices,
} from '../../../src/development/local-authkit/test-kit.ts';
import { freePort } from '../machine/free-port.ts';
import { call, type ApiResponse } from './bearer-app.ts';
import { runExample, type Run } from './examples.ts';

const REDIRECT_URI = 'http://localhost:3000/callback';
const OTHER_API = 'https://other-api.example.com/';

export interface McpWorld {
  authkit: LocalAuthKit;
  /** The URL that clients call. */
  url: string;
  /** A resource of AuthKit that is not this server. */
  otherApi: string;
  server: Run;
  newClient(scope?: string): McpClient;
  close(): Promise<void>;
}

export async function startMcpWorld(): Promise<McpWorld> {
  const url = `http://localhost:${await freePort()}/mcp`;
  const authkit = await startTestAuthKit({
    redirectUris: [REDIRECT_URI],
    resources: [url, OTHER_API],
  });
  const env = { PATH: process.env['PATH'], AUTHKIT_ISSUER: authkit.issuer, MCP_URL: url };
  const server = runExample('mcp', [], env);
  await server.saw(/^MCP server/m);
  const { clientId } = authkit.applications.publicApp;
  const clients: McpClient[] = [];
  return {
    authkit,
    url,
    otherApi: OTHER_API,
    server,
    newClient: (scope) => {
      const client = new McpClient(url, clientId, scope);
      clients.push(client);
      return client;
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
      server.kill('SIGKILL');
      await Promise.all([server.ended, authkit.close()]);
    },
  };
}

/** A client whose id is registered beforehand: the local AuthKit registers none by itself. */
export class McpClient implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT_URI;
  readonly clientMetadata;
  /** What the client keeps; a test may change it. */
  kept: OAuthTokens | undefined;
  /** The last page of AuthKit that the client opened. */
  authorizationUrl: URL | undefined;
  readonly #url: URL;
  readonly #clientId: string;
  #codeVerifier = '';
  #transport: StreamableHTTPClientTransport | undefined;

  constructor(url: string, clientId: string, scope = 'openid offline_access posts:read') {
    this.#url = new URL(url);
    this.#clientId = clientId;
    this.clientMetadata = { redirect_uris: [REDIRECT_URI], scope };
  }

  clientInformation = () => ({ client_id: this.#clientId });
  tokens = () => this.kept;
  saveTokens = (tokens: OAuthTokens) => void (this.kept = tokens);
  saveCodeVerifier = (codeVerifier: string) => void (this.#codeVerifier = codeVerifier);
  codeVerifier = () => this.#codeVerifier;
  redirectToAuthorization = (url: URL) => void (this.authorizationUrl = url);

  /** @throws UnauthorizedError if the user must sign in at `authorizationUrl` */
  async connect(): Promise<Client> {
    this.#transport = new StreamableHTTPClientTransport(this.#url, { authProvider: this });
    const client = new Client({ name: 'test', version: '1.0.0' });
    await client.connect(this.#transport);
    return client;
  }

  /** Goes through AuthKit's pages after an UnauthorizedError, and exchanges the code. */
  async signIn(choices: SignInChoices): Promise<void> {
    const callback = await signInOverHttp(this.authorizationUrl ?? '', choices);
    await this.#transport?.finishAuth(callback.searchParams.get('code') ?? '');
  }

  /** Connects as this person, who has not signed in before. */
  async connectAs(person: string, organization?: string): Promise<Client> {
    const refused = await this.connect().catch((error: unknown) => error);
    if (!(refused instanceof UnauthorizedError)) throw refused;
    await this.signIn({ person, ...(organization !== undefined && { organization }) });
    return this.connect();
  }

  async close(): Promise<void> {
    await this.#transport?.close();
  }

  get sessionId(): string {
    return this.#transport?.sessionId ?? '';
  }

  /** Sends a message without the SDK; `headers` replace those that the SDK would send. */
  post(body: unknown, headers: Record<string, string> = {}): Promise<ApiResponse> {
    return this.send('POST', headers, typeof body === 'string' ? body : JSON.stringify(body));
  }

  send(method: string, headers: Record<string, string> = {}, body?: string): Promise<ApiResponse> {
    const all = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      authorization: `Bearer ${this.kept?.access_token ?? ''}`,
      'mcp-session-id': this.sessionId,
      ...headers,
    };
    const given = Object.entries(all).filter(([, value]) => value !== '');
    const framing: [string, string][] =
      body === undefined ? [] : [['content-length', String(Buffer.byteLength(body))]];
    return call(this.#url.href, {
      method,
      headers: [...given, ...framing],
      ...(body !== undefined && { body }),
    });
  }
}

/** The message that begins a session. */
export const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'test', version: '1.0.0' },
  },
};

/** The message that calls a tool. */
export const toolCall = (name: string) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name, arguments: {} },
});

/** Calls a tool with the SDK; returns what it says, parsed. */
export async function useTool(client: Client, name: string): Promise<unknown> {
  const { content } = await client.callTool({ name });
  const [{ text }] = content as [{ text: string }];
  return JSON.parse(text);
}

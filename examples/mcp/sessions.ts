// MCP sessions, in the memory of this process, each for one user of one application.
// Transports: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports

import { randomUUID } from 'node:crypto';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { LRUCache } from 'lru-cache';
import type { AccessToken } from '../../src/bearer/index.ts';
import { createMcpServer } from './tools.ts';

/** Clients rarely end their sessions, so that unused ones must not fill the memory. */
const MAX_SESSIONS = 1000;
const IDLE_MS = 30 * 60_000;

export class Sessions {
  readonly #transports = new LRUCache<string, StreamableHTTPServerTransport>({
    max: MAX_SESSIONS,
    ttl: IDLE_MS,
    updateAgeOnGet: true,
    dispose: (transport) => void transport.close(),
  });

  /** The session with this id if it is the caller's; an id alone proves nothing, as it may leak. */
  find(caller: AccessToken, id: string): StreamableHTTPServerTransport | undefined {
    return this.#transports.get(keyOf(caller, id));
  }

  /** A session that begins with its first request; the transport refuses any but `initialize`. */
  async open(caller: AccessToken): Promise<StreamableHTTPServerTransport> {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void this.#transports.set(keyOf(caller, id), transport),
      onsessionclosed: (id) => void this.#transports.delete(keyOf(caller, id)),
    });
    await createMcpServer().connect(transport);
    return transport;
  }
}

// With the user in the key, the id of another user's session is unknown ("Session Hijacking" in MCP's
// security best practices). As JSON, since the id is what the caller sent.
const keyOf = ({ sub, clientId }: AccessToken, id: string) => JSON.stringify([sub, clientId, id]);

// An MCP server over Streamable HTTP for users of AuthKit. Reading order: main.ts, settings.ts,
// app.ts, sessions.ts, tools.ts. README.md says what to copy.

import { createServer } from 'node:http';
import { createApp } from './app.ts';
import { isLoopback, readSettings, SettingsError } from './settings.ts';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const fail = (message: string) => {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
};

try {
  const settings = readSettings(process.env);
  const { issuer, mcpUrl, port } = settings;
  const url = new URL(mcpUrl);
  const server = createServer(createApp(settings, (event) => say(JSON.stringify(event))));
  server.on('error', ({ message }) => fail(`Cannot listen on port ${port}: ${message}`));
  // A server for this machine must not be reachable from the network.
  const host = isLoopback(url) ? url.hostname.replaceAll(/[[\]]/g, '') : undefined;
  server.listen({ port, host }, () => say(`MCP server: ${mcpUrl}\nAuthKit:    ${issuer.origin}`));
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  fail(error.message);
}

// The doctor with a planted fault: in this process, or in a process as `npm run doctor` starts it.
import { spawn } from 'node:child_process';
import { createServer, request, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { examine } from '../../../src/development/doctor/examine.ts';
import type { Finding } from '../../../src/development/doctor/report.ts';
import { compiled } from '../machine/compiled.ts';
import type { TestApp } from './app.ts';

type Env = Record<string, string>;

/** The doctor's findings; fails the test if they contain a secret. */
export async function diagnose(env: Env, accessToken?: string) {
  const findings = await examine(() => env, accessToken);
  expectNoSecret(JSON.stringify(findings), env, accessToken);
  return {
    findings,
    found: (check: string) => findings.find((finding) => finding.check === check),
    problems: findings.filter(({ status }) => status === 'problem').map(({ check }) => check),
  };
}

function expectNoSecret(output: string, env: Env, accessToken?: string) {
  const passwords = ['REDIS_URL', 'DATABASE_URL', 'HTTPS_PROXY'].map(
    (name) => URL.parse(env[name] ?? '')?.password,
  );
  const own = [env['SESSION_SECRET'], env['OAUTH_APP_CLIENT_SECRET'], accessToken];
  const secrets = [...own, ...passwords];
  // A random text of a few characters is part of any sentence.
  for (const secret of secrets)
    if (secret !== undefined && secret.length >= 8) expect(output).not.toContain(secret);
}

/** Runs `npm run doctor` with exactly these settings. */
export const runDoctor = (env: Env, ...args: string[]) => runDoctorAs({}, env, ...args);

/** Like `runDoctor`, in another folder or as another user. */
export async function runDoctorAs(
  who: { cwd?: string; uid?: number },
  env: Env,
  ...args: string[]
) {
  const child = spawn(process.execPath, [compiled('src/development/doctor/main.ts'), ...args], {
    ...who,
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expectNoSecret(out + err, env);
  return { code: await exited, out, err };
}

/** The findings of `npm run doctor -- --json`. */
export async function runAsJson(env: Env) {
  const { code, out } = await runDoctor(env, '--json');
  const findings = JSON.parse(out) as Finding[];
  return { code, found: (check: string) => findings.find((each) => each.check === check) };
}

/** Small servers on free ports, closed together. */
export function createServers() {
  const servers: Server[] = [];
  return {
    async serve(listener: RequestListener, server = createServer()): Promise<string> {
      servers.push(server.on('request', listener));
      await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
      return `http://localhost:${(server.address() as AddressInfo).port}`;
    },
    /** Closes this server with the others. */
    own: (server: Server) => void servers.push(server),
    close() {
      for (const server of servers) server.close().closeAllConnections();
    },
  };
}

/** Serves the metadata of the app's AuthKit under another issuer, changed by `change`. */
export function changedMetadata(
  { authKit }: TestApp,
  change: (metadata: Record<string, unknown>) => void,
  date?: Date,
): RequestListener {
  return (req, res) => {
    void fetch(`${authKit.issuer}${req.url}`).then(async (response) => {
      const metadata = (await response.json()) as Record<string, unknown>;
      metadata['issuer'] = `http://${req.headers.host}`;
      change(metadata);
      res.setHeader('content-type', 'application/json');
      if (date) res.setHeader('date', date.toUTCString());
      return res.end(JSON.stringify(metadata));
    });
  };
}

interface Detour {
  /** Headers of the request that the proxy adds or replaces. */
  headers?: Env;
  /** Changes each Set-Cookie line of the app. */
  cookie?: (cookie: string) => string;
}

/** A proxy in front of this port. */
export function proxyTo(
  port: () => number,
  { headers = {}, cookie }: Detour = {},
): RequestListener {
  return (req, res) => {
    const options = { port: port(), host: 'localhost', path: req.url, method: req.method };
    const onward = request({ ...options, headers: { ...req.headers, ...headers } }, (response) => {
      const cookies = response.headers['set-cookie'];
      const kept = cookie ? cookies?.map(cookie) : cookies;
      res.writeHead(response.statusCode ?? 502, {
        ...response.headers,
        ...(kept && { 'set-cookie': kept }),
      });
      response.pipe(res);
    });
    onward.on('error', () => res.writeHead(502).end());
    req.pipe(onward);
  };
}

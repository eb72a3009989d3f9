// mod_auth_openidc in Apache, the peer written in C: Debian's packages, unpacked into the temporary
// folder, so that no service is installed or started on this machine.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from './processes.ts';

const PACKAGES =
  'apache2-bin libapache2-mod-auth-openidc libapr1 libaprutil1 libcjose0 libhiredis0.14 libjansson4 liblua5.3-0 libnghttp2-14';

interface Settings {
  port: number;
  issuer: string;
  clientId: string;
  clientSecret: string;
  secret: string;
  page: string;
}

/** Unpacks Apache. @throws Error if apt-get is missing or does not have the packages */
export function unpackApache(folder: string): string {
  const root = join(folder, 'apache');
  if (existsSync(join(root, 'usr/sbin/apache2'))) return root;
  mkdirSync(root, { recursive: true });
  const quiet = { cwd: root, stdio: 'ignore' } as const;
  execFileSync('apt-get', ['download', ...PACKAGES.split(' ')], quiet);
  const archives = readdirSync(root).filter((file) => file.endsWith('.deb'));
  for (const archive of archives) execFileSync('dpkg', ['-x', archive, '.'], quiet);
  return root;
}

/** Apache with one worker process that sends the page to signed-in users. */
export function apacheCommand(root: string, settings: Settings): Command {
  const { port, issuer, clientId, clientSecret, secret, page } = settings;
  const libraries = join(root, 'usr/lib', readdirSync(join(root, 'usr/lib')).find(isTriplet) ?? '');
  const site = join(root, 'site');
  mkdirSync(site, { recursive: true });
  writeFileSync(join(site, 'profile'), page);
  const module = (name: string) =>
    `LoadModule ${name}_module ${root}/usr/lib/apache2/modules/mod_${name}.so`;
  writeFileSync(
    join(root, 'apache.conf'),
    `ServerRoot ${root}
${['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'auth_openidc'].map(module).join('\n')}
ServerName localhost
Listen ${port}
PidFile ${root}/apache.pid
Mutex sem
ErrorLog ${root}/error.log
LogLevel warn
StartServers 1
MinSpareThreads 1
MaxSpareThreads 64
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot ${site}
OIDCProviderMetadataURL ${issuer}/.well-known/openid-configuration
OIDCClientID ${clientId}
OIDCClientSecret ${clientSecret}
OIDCProviderTokenEndpointAuth client_secret_post
OIDCRedirectURI http://localhost:${port}/callback
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCCryptoPassphrase ${secret}
User www-data
Group www-data
<Directory ${site}>
  Require all granted
</Directory>
<Location />
  AuthType openid-connect
  Require valid-user
  ForceType "text/html; charset=utf-8"
</Location>
`,
  );
  return {
    file: join(root, 'usr/sbin/apache2'),
    args: ['-DFOREGROUND', '-f', join(root, 'apache.conf')],
    cwd: root,
    env: { LD_LIBRARY_PATH: libraries },
    port,
    readyPath: '/profile',
  };
}

const isTriplet = (name: string) => name.endsWith('-linux-gnu');

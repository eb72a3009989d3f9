// The proxy of the network that this machine is in, named by the variables that curl reads too.

import { EnvHttpProxyAgent, install, setGlobalDispatcher } from 'undici';
import { CliError } from './errors.ts';

/** Sends https requests through HTTPS_PROXY, except to NO_PROXY; plain http stays on this machine. */
export function useProxy(): void {
  try {
    setGlobalDispatcher(new EnvHttpProxyAgent({ httpProxy: '' }));
  } catch {
    // No cause: the original error quotes the URL with its password.
    throw new CliError('usage', 'HTTPS_PROXY must be a URL such as http://host:port.');
  }
  // Node's own fetch may be of another version of undici, for which this proxy agent is not made.
  install();
}

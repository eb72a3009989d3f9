// The fetch for every request to the issuer: bounded in size, without redirects.
import type { CustomFetch } from 'openid-client';

const MAX_BYTES = 512 * 1024;

/**
 * A fetch for openid-client that reads at most 512 kB: an endless or huge response must not fill
 * this server's memory. It follows no redirects: the metadata names every URL we call. `send`
 * defaults to the global fetch.
 * `onClockSkew` is told by how many seconds this server's clock is ahead of the issuer's `Date`
 * header.
 */
export function boundedFetch(
  send: typeof globalThis.fetch | undefined,
  onClockSkew: (seconds: number) => void,
): CustomFetch {
  return async (url, options) => {
    // Copied only for the types: those of the DOM, if in use, allow no shared memory.
    const body = options.body instanceof Uint8Array ? Uint8Array.from(options.body) : options.body;
    const init: RequestInit = { ...options, redirect: 'manual', body: body ?? null };
    const response = await (send ?? fetch)(url, init);
    // The Date of a cached response is old.
    const isCached = response.headers.has('age');
    const date = isCached ? Number.NaN : Date.parse(response.headers.get('date') ?? '');
    if (Number.isFinite(date)) onClockSkew(Math.round((Date.now() - date) / 1000));

    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      // Leaving the loop cancels the body and with it the connection.
      if (size > MAX_BYTES)
        throw new TypeError(`the response from ${new URL(url).pathname} is too large`);
      chunks.push(chunk);
    }
    const noBody = [101, 204, 205, 304].includes(response.status);
    return new Response(noBody ? null : Buffer.concat(chunks), {
      status: response.status,
      headers: response.headers,
    });
  };
}

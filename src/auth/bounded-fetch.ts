// What an issuer sends is bounded before anything parses it: an endless or huge response must not fill
// the memory of this server. Redirects are not followed: metadata names every address we talk to.
import type { CustomFetch } from 'openid-client';

const MOST_BYTES = 512 * 1024;

/**
 * A fetch for openid-client that reads at most 512 kB and tells `onClockSkew` by how many seconds
 * this server's clock is ahead of the issuer's `Date` header.
 */
export function boundedFetch(onClockSkew: (seconds: number) => void): CustomFetch {
  return async (url, options) => {
    // A copy only for the types: where the DOM's are in use too, they allow no shared memory.
    const body = options.body instanceof Uint8Array ? Uint8Array.from(options.body) : options.body;
    const init: RequestInit = { ...options, redirect: 'manual', body: body ?? null };
    const response = await fetch(url, init);
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isFinite(date)) onClockSkew(Math.round((Date.now() - date) / 1000));

    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      // Leaving the loop cancels the body and with it the connection.
      if (size > MOST_BYTES)
        throw new TypeError(`the response of ${new URL(url).pathname} is too large`);
      chunks.push(chunk);
    }
    const noBody = [101, 204, 205, 304].includes(response.status);
    return new Response(noBody ? null : Buffer.concat(chunks), {
      status: response.status,
      headers: response.headers,
    });
  };
}

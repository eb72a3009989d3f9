// Requests of the doctor: bounded in time, redirects looked at and not followed.

const TIMEOUT_MS = 5_000;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined where the text is no JSON object. */
  json: Record<string, unknown> | undefined;
}

/** The answer, or undefined when there was none. */
export async function ask(url: URL, init: RequestInit = {}): Promise<Answer | undefined> {
  try {
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = (await response.text()).slice(0, 512 * 1024);
    return { status: response.status, headers: response.headers, text, json: parseObject(text) };
  } catch {
    return undefined;
  }
}

export const postForm = (url: URL, fields: Record<string, string>) =>
  ask(url, { method: 'POST', body: new URLSearchParams(fields) });

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

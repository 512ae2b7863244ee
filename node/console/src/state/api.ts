// Requests to the node that served this page, each with a time-out. A refusal
// becomes a `Refused` with the node's own words; silence becomes `Unheard`, of
// which nobody can say whether it arrived. It never repeats a request by itself.

import type { Problem } from '../contract';

/** The node answered, and said no. */
export class Refused extends Error {
  constructor(readonly problem: Problem, readonly retryAfterS: number | null) {
    super(problem.detail);
  }

  get status(): number {
    return this.problem.status;
  }

  /** The stable name behind `urn:weir:problem:`. */
  get code(): string {
    return this.problem.type.split(':').pop() ?? '';
  }
}

/** No answer: no connection, a time-out, or something that is not the API's. */
export class Unheard extends Error {}

const TIMEOUT_MS = 9_000;

interface Ask {
  method?: 'GET' | 'POST' | 'DELETE';
  body?: unknown;
  key?: string;
  timeoutMs?: number;
}

export async function ask<T>(path: string, options: Ask = {}): Promise<T> {
  const { method = 'GET', body, key, timeoutMs = TIMEOUT_MS } = options;
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (key !== undefined) headers['idempotency-key'] = key;
  const signal = AbortSignal.timeout(timeoutMs);
  let text: string;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal,
      cache: 'no-store',
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    throw new Unheard(String(error));
  }
  if (!response.ok) throw new Refused(problem(response, text), retryAfter(response));
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Unheard('not JSON');
  }
}

function problem(response: Response, text: string): Problem {
  const plain = { type: 'about:blank', status: response.status, title: '', detail: '' };
  try {
    const said = JSON.parse(text) as Partial<Problem> | null;
    if (said && typeof said === 'object') return { ...plain, ...said, status: response.status };
  } catch {
    // A proxy's page, or nothing at all: the status alone must do.
  }
  return { ...plain, title: `HTTP ${response.status}`, detail: `HTTP ${response.status}` };
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? seconds : null;
}

/** A click's id: 32 hex digits, minted here so that a repeat is the same click. */
export function mintKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

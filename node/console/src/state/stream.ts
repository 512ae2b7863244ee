// Keeps the event stream open: resumes where it broke off, waits longer after
// each failure, gives up a link that carries not even heartbeats. It keeps no
// picture itself.

import { live } from './live.svelte';
import { session } from './session.svelte';
import { SseParser } from './sse';

/** The node's heartbeat comes every 10 s. */
const SILENCE_MS = 16_000;
const CONNECT_MS = 8_000;
const WAITS_MS = [300, 1_000, 2_000, 4_000, 8_000];

let lastId: string | null = null;
let wake: (() => void) | null = null;

/** Tries again at once instead of waiting. */
export function retryNow() {
  wake?.();
}

/** Runs until `stop` is told; ends by itself when the session has ended. */
export async function follow(stop: AbortSignal): Promise<void> {
  lastId = null;
  live.link = 'connecting';
  addEventListener('online', retryNow);
  stop.addEventListener('abort', retryNow);
  try {
    while (!stop.aborted) {
      const lived = await once(stop);
      if (stop.aborted) return;
      live.tries = lived ? 1 : live.tries + 1;
      live.link = 'lost';
      await wait(WAITS_MS[Math.min(live.tries, WAITS_MS.length) - 1] ?? 8_000);
    }
  } finally {
    removeEventListener('online', retryNow);
  }
}

async function wait(ms: number) {
  live.nextTryAt = Date.now() + ms;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
  wake = null;
  live.nextTryAt = null;
}

/** One connection, from request to its end; whether it carried anything. */
async function once(stop: AbortSignal): Promise<boolean> {
  const cut = new AbortController();
  const end = () => cut.abort();
  stop.addEventListener('abort', end);
  let timer = setTimeout(end, CONNECT_MS);
  let lived = false;
  try {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (lastId !== null) headers['last-event-id'] = lastId;
    const init = { headers, signal: cut.signal, cache: 'no-store' as const };
    const response = await fetch('/api/v1/events', init);
    if (response.status === 401) {
      session.lost();
      return false;
    }
    if (!response.ok || response.body === null) {
      live.refused = await reason(response);
      return false;
    }
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
      const { done, value } = await reader.read();
      if (done) return lived;
      heard(parser, value);
      lived = true;
    }
  } catch {
    return lived;
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', end);
    cut.abort();
  }
}

/** The node answers, and will not let us follow: too many streams, say. */
async function reason(response: Response): Promise<string> {
  const plain = `HTTP ${response.status}`;
  try {
    const problem = (await response.json()) as { detail?: unknown };
    return typeof problem.detail === 'string' ? problem.detail : plain;
  } catch {
    return plain;
  }
}

function heard(parser: SseParser, text: string) {
  live.heardAt = Date.now();
  live.link = 'live';
  live.refused = null;
  for (const event of parser.feed(text)) {
    live.hear(event);
    // Kept only once it is shown: a broken event is asked for again.
    if (event.id !== null) lastId = event.id;
  }
}

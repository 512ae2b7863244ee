// Server-sent events out of a stream of text (WHATWG HTML §9.2.6). It keeps at
// most one unfinished block and refuses a block that is absurdly long. A browser's
// own EventSource hides both the heartbeat and the status code; a console that
// must say how old its picture is needs to see them.

export interface Heard {
  id: string | null;
  event: string;
  data: string;
}

/** Longest unfinished block, in characters. */
const BLOCK_MAX = 8 << 20;

export class TooLong extends Error {}

export class SseParser {
  #rest = '';
  #endedByCr = false;

  /** The events that became whole with this text. Comments yield nothing. */
  feed(text: string): Heard[] {
    if (this.#endedByCr && text.startsWith('\n')) text = text.slice(1);
    this.#endedByCr = text.endsWith('\r');
    this.#rest += text.replace(/\r\n?/g, '\n');
    const blocks = this.#rest.split('\n\n');
    this.#rest = blocks.pop() ?? '';
    if (this.#rest.length > BLOCK_MAX) throw new TooLong();
    return blocks.map(block).filter((heard) => heard !== null);
  }
}

function block(text: string): Heard | null {
  let [id, event]: [string | null, string] = [null, 'message'];
  const data: string[] = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  }
  return data.length > 0 ? { id, event, data: data.join('\n') } : null;
}

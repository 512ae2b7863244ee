// A click's own life: sent, trying, and how it ended. A click that got no answer
// is sent again under the same id for a short while, so that it counts once; then
// nobody knows, and the page says so. What this node does by itself, such as ending
// a call, has no id that counts once: it is sent once. It never changes the board.

import type { How, Sent } from '../contract';
import { said, t, type Key, type Params } from '../words/i18n.svelte';
import { announcer } from './announce.svelte';
import { ask, mintKey, Refused } from './api';
import { session } from './session.svelte';

export type Phase = 'sending' | 'repeating' | 'trying' | 'asking' | 'over';
/** An order to a site, judged there; or this node's own deed, and the word for it. */
export type Way = { order: true } | { order: false; method: 'POST' | 'DELETE'; done: string };
export type Tone = 'busy' | 'ok' | 'warn' | 'bad' | 'unknown';

/** How long an unanswered click is repeated. Longer, and it would sound late. */
const REPEAT_MS = 20_000;
/** How long its fate is asked for; the node's own window is 2 minutes. */
const ASK_MS = 5 * 60_000;
const KEPT = 30;
const STORE = 'weir.clicks';

const ORDER: Way = { order: true };

export interface Label {
  key: Key;
  params: Params;
}

export class Click {
  phase = $state<Phase>('sending');
  how = $state.raw<How | null>(null);
  /** A stable word for how it ended. */
  end = $state<string | null>(null);
  why = $state<string | null>(null);
  overAt = $state<number | null>(null);

  constructor(
    readonly id: string,
    /** Where on the page a refusal belongs. */
    readonly place: string,
    readonly label: Label,
    readonly path: string,
    readonly body: Record<string, unknown>,
    readonly at: number,
    readonly way: Way = ORDER,
  ) {}

  get tone(): Tone {
    if (this.end === null) return 'busy';
    if (this.end === 'unknown') return 'unknown';
    if (GOOD.has(this.end)) return 'ok';
    return this.end === 'awaits-second' || this.end === 'expired' ? 'warn' : 'bad';
  }

  get words(): string {
    if (this.end === null) return t(`click.${this.phase}` as Key);
    const known = KNOWN.has(this.end) ? this.end : 'refused';
    return known === 'notSent' ? t('click.notSent') : t(`click.${known}` as Key);
  }

  finish(end: string, why: string | null) {
    this.phase = 'over';
    this.end = end;
    this.why = why;
    this.overAt = Date.now();
    const line = `${t(this.label.key, this.label.params)}: ${this.words}`;
    if (this.tone === 'ok') announcer.say(line);
    else announcer.alert(why === null ? line : `${line}. ${said(why)}`);
  }
}

const GOOD = new Set([
  'started', 'joined', 'confirmed', 'aborted', 'repeats', 'paged', 'stopped', 'judged',
  'call-ended', 'call-seen', 'ordered',
]);
const KNOWN = new Set([
  ...GOOD, 'awaits-second', 'outranked', 'expired', 'not-delivered', 'unknown', 'notSent',
]);

class Clicks {
  /** Newest first. */
  all = $state.raw<Click[]>([]);
  /** Whose they are: the next person at this browser does not see them. */
  #owner = '';

  /** The newest click that belongs to a place on the page. */
  latest(place: string): Click | undefined {
    return this.all.find((click) => click.place === place);
  }

  busy(place: string): boolean {
    return this.latest(place)?.end === null;
  }

  send(place: string, path: string, body: Record<string, unknown>, label: Label): Click {
    const click = new Click(mintKey(), place, label, path, body, Date.now());
    this.#add(click);
    void this.#post(click);
    return click;
  }

  /** Something that this node does by itself, once. */
  act(
    place: string, path: string, method: 'POST' | 'DELETE', body: Record<string, unknown>,
    done: string, label: Label,
  ): Click {
    const way: Way = { order: false, method, done };
    const click = new Click(mintKey(), place, label, path, body, Date.now(), way);
    this.#add(click);
    void this.#once(click, method, done);
    return click;
  }

  async #once(click: Click, method: 'POST' | 'DELETE', done: string) {
    try {
      await ask(click.path, method === 'POST' ? { method, body: click.body } : { method });
      click.finish(done, null);
    } catch (error) {
      if (error instanceof Refused && !doubtful(error)) return this.#refused(click, error);
      click.finish('unknown', error instanceof Refused ? error.problem.detail : null);
    }
    this.#store();
  }

  dismiss(click: Click) {
    this.all = this.all.filter((one) => one !== click);
    this.#store();
  }

  dismissOver() {
    this.all = this.all.filter((one) => one.end === null);
    this.#store();
  }

  /** After the page was loaded anew: what was under way is asked for, not resent. */
  resume(owner: string) {
    if (owner === this.#owner) return;
    this.#owner = owner;
    this.all = [];
    const found = recall(owner);
    for (const { id, place, label, path, body, at, way } of found) {
      const click = new Click(id, place, label, path, body, at, way ?? ORDER);
      this.#add(click);
      if (!click.way.order) {
        // Nobody heard the answer, and there is none to ask for.
        click.finish('unknown', null);
        continue;
      }
      click.phase = 'trying';
      void this.#follow(click);
    }
    this.#store();
  }

  #add(click: Click) {
    const older = this.all.filter((one) => one.end === null || one.place !== click.place);
    this.all = [click, ...older].slice(0, KEPT);
    this.#store();
  }

  async #post(click: Click) {
    const until = Date.now() + REPEAT_MS;
    for (let pause = 400; ; pause = Math.min(pause * 2, 3_000)) {
      try {
        const options = { method: 'POST' as const, body: click.body, key: click.id };
        const sent = await ask<Sent>(click.path, options);
        this.#heard(click, sent);
        if (click.end === null) await this.#follow(click);
        return;
      } catch (error) {
        if (error instanceof Refused && !doubtful(error)) return this.#refused(click, error);
      }
      if (Date.now() + pause > until) break;
      click.phase = 'repeating';
      await sleep(pause);
    }
    await this.#follow(click);
  }

  #refused(click: Click, refused: Refused) {
    if (refused.status === 401) {
      click.finish('notSent', null);
      session.lost();
    } else {
      click.finish('refused', refused.problem.detail || refused.problem.title);
    }
    this.#store();
  }

  /** Asks until the fate is final. */
  async #follow(click: Click) {
    for (let pause = 700; Date.now() < click.at + ASK_MS; pause = Math.min(pause * 1.4, 3_000)) {
      await sleep(pause);
      if (!this.all.includes(click)) return;
      try {
        this.#heard(click, await ask<How>(`/api/v1/intents/${click.id}`));
        if (click.end !== null) return;
        click.phase = 'trying';
      } catch (error) {
        if (error instanceof Refused && error.status === 404) {
          click.finish('unknown', error.problem.detail);
          return this.#store();
        }
        if (error instanceof Refused && error.status === 401) return;
        click.phase = 'asking';
      }
    }
    click.finish('unknown', null);
    this.#store();
  }

  #heard(click: Click, how: How) {
    click.how = how;
    if (how.delivery === 'trying') {
      click.phase = 'trying';
      return;
    }
    const end = how.delivery === 'judged' ? (how.status ?? 'judged') : how.delivery;
    click.finish(end, how.said);
    this.#store();
  }

  /** So that a page loaded anew still asks how its clicks ended. */
  #store() {
    const open = this.all.filter((click) => click.end === null);
    const kept = open.map(({ id, place, label, path, body, at, way }) => (
      { id, place, label, path, body, at, way }
    ));
    try {
      sessionStorage.setItem(STORE, JSON.stringify({ owner: this.#owner, kept }));
    } catch {
      // Without storage a reload forgets; the board and the journal do not.
    }
  }
}

type Stored = Pick<Click, 'id' | 'place' | 'label' | 'path' | 'body' | 'at' | 'way'>;

function recall(owner: string): Stored[] {
  try {
    const found = JSON.parse(sessionStorage.getItem(STORE) ?? '{}') as {
      owner?: string;
      kept?: Stored[];
    };
    if (found.owner !== owner) return [];
    return (found.kept ?? []).filter((one) => Date.now() < one.at + ASK_MS).slice(0, KEPT);
  } catch {
    return [];
  }
}

/** A gateway's error or an unknown outcome: it may have got through. */
function doubtful(refused: Refused): boolean {
  return refused.code === 'outcome-unknown' || [500, 502, 504].includes(refused.status);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export const clicks = new Clicks();


// What the node last said, and when. Only the event stream changes it: a click
// never does. Everything here replaces; nothing is guessed or carried forward.

import type {
  Activation, Awaiting, Calls, Conference, FactLine, Overview, Person, SiteBoard, SitePeople,
  SiteSeen, Zone,
} from '../contract';
import { changes } from './changes';
import { clock } from './clock.svelte';
import type { Heard } from './sse';

/** Journal lines kept on the page; older ones are on the node. */
const FACTS_MAX = 1_000;
/** A line this much older than the newest one, when it comes, came late. */
const LATE_MS = 30_000;

export type Link = 'connecting' | 'live' | 'lost';

export interface Line extends FactLine {
  late: boolean;
}

export interface BoardAt {
  board: SiteBoard;
  /** Browser's clock when it came. */
  at: number;
}

export interface Run {
  site: string;
  run: Activation;
}

/** A plan at a site that waits for a second person. */
export interface Half {
  site: string;
  half: Awaiting;
}

export interface PersonAt {
  site: string;
  person: Person;
}

class Live {
  link = $state<Link>('connecting');
  /** When the link last carried a byte, heartbeats included. */
  heardAt = $state<number | null>(null);
  /** The how manyth try to reconnect, and when it is made. */
  tries = $state(0);
  nextTryAt = $state<number | null>(null);
  /** Why the node refused the stream, if it answered at all. */
  refused = $state<string | null>(null);

  overview = $state.raw<Overview | null>(null);
  overviewAt = $state(0);
  boards = $state.raw<Record<string, BoardAt>>({});
  zones = $state.raw<Zone[] | null>(null);
  calls = $state.raw<Calls | null>(null);
  conferences = $state.raw<Conference[] | null>(null);
  peopleOf = $state.raw<Record<string, SitePeople>>({});
  /** Newest first. */
  facts = $state.raw<Line[] | null>(null);
  moreFacts = $state(false);

  sites: SiteSeen[] = $derived(this.overview?.sites ?? []);
  here: SiteSeen | undefined = $derived(this.sites.find((site) => site.here));
  runs: Run[] = $derived(
    Object.values(this.boards).flatMap(({ board }) =>
      board.activations.map((run) => ({ site: board.site, run })),
    ),
  );
  running: Run[] = $derived(this.runs.filter(({ run }) => run.ended === null).sort(urgent));
  ended: Run[] = $derived(
    this.runs
      .filter(({ run }) => run.ended !== null)
      .sort((a, b) => (b.run.ended?.at_ms ?? 0) - (a.run.ended?.at_ms ?? 0)),
  );

  /** Half launches whose time has not passed, by that node's clock. */
  halves: Half[] = $derived(
    Object.values(this.boards)
      .flatMap(({ board }) => (board.awaiting ?? []).map((half) => ({ site: board.site, half })))
      .filter(({ half }) => half.until_ms > clock.node)
      .sort((a, b) => a.half.until_ms - b.half.until_ms),
  );
  people: PersonAt[] = $derived(
    Object.values(this.peopleOf).flatMap(({ site, people }) => (
      people.map((person) => ({ site, person }))
    )),
  );

  site(id: string): SiteSeen | undefined {
    return this.sites.find((site) => site.id === id);
  }

  zone(id: string): Zone | undefined {
    return this.zones?.find((zone) => zone.id === id);
  }

  zonesOf(site: string): Zone[] {
    return (this.zones ?? []).filter((zone) => zone.site === site);
  }

  /** How old what is shown of a site is. Our own and healthy ones stay as the node
   * said; in doubt, cut off or disconnected, the age grows by the second. */
  siteAge(site: SiteSeen): number | null {
    if (site.age_ms === null) return null;
    const grows = this.link !== 'live' || site.health === 'suspect' || site.health === 'cut';
    const since = Math.max(0, clock.now - this.overviewAt);
    return grows ? site.age_ms + since : site.age_ms;
  }

  /** Age of all that is shown; `null` before the first byte. */
  get age(): number | null {
    return this.heardAt === null ? null : Math.max(0, clock.now - this.heardAt);
  }

  hear(heard: Heard) {
    const data: unknown = JSON.parse(heard.data);
    switch (heard.event) {
      case 'overview': {
        const before = this.overview;
        this.overview = data as Overview;
        this.overviewAt = Date.now();
        clock.heardNode(this.overview.now_ms);
        changes.overview(before, this.overview);
        break;
      }
      case 'site': {
        const board = data as SiteBoard;
        changes.board(this.boards[board.site]?.board, board, this.site(board.site));
        this.boards = { ...this.boards, [board.site]: { board, at: Date.now() } };
        break;
      }
      case 'zones':
        this.zones = data as Zone[];
        break;
      case 'calls': {
        const before = this.calls;
        this.calls = data as Calls;
        changes.calls(before, this.calls);
        break;
      }
      case 'conferences':
        this.conferences = data as Conference[];
        break;
      case 'people': {
        const people = data as SitePeople;
        this.peopleOf = { ...this.peopleOf, [people.site]: people };
        break;
      }
      case 'journal':
        this.#lines(data as { facts: FactLine[]; more: boolean });
        break;
      case 'reset':
        this.forget();
        break;
      default:
        // A newer node may say more than this page knows.
        break;
    }
  }

  #lines({ facts, more }: { facts: FactLine[]; more: boolean }) {
    const known = new Map((this.facts ?? []).map((line) => [line.id, line]));
    const newest = this.facts?.[0]?.at_ms ?? null;
    for (const fact of facts) {
      if (known.has(fact.id)) continue;
      const late = newest !== null && newest - fact.at_ms > LATE_MS;
      known.set(fact.id, { ...fact, late });
    }
    const sorted = [...known.values()].sort(newestFirst);
    this.moreFacts ||= more || sorted.length > FACTS_MAX;
    this.facts = sorted.slice(0, FACTS_MAX);
  }

  forget() {
    this.overview = null;
    this.boards = {};
    this.zones = null;
    this.calls = null;
    this.conferences = null;
    this.peopleOf = {};
    this.facts = null;
    this.moreFacts = false;
  }
}

/** Our clock shows; the order of causes breaks ties. */
function newestFirst(a: FactLine, b: FactLine): number {
  return b.at_ms - a.at_ms || b.seen - a.seen || b.depth - a.depth || seq(b) - seq(a);
}

function seq(line: FactLine): number {
  return Number(line.id.split('.').pop() ?? 0);
}

const LEVELS = ['red', 'orange', 'yellow', 'blue', 'clear'];
const MODES = ['real', 'test', 'drill'];

/** Real before drill, red before the rest, newest first. */
function urgent({ run: a }: Run, { run: b }: Run): number {
  return (
    MODES.indexOf(a.mode) - MODES.indexOf(b.mode)
    || LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level)
    || b.started_ms - a.started_ms
  );
}

export const live = new Live();

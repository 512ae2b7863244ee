// What a node says over its browser API, as types. It holds no rule and no
// default: what the node did not say stays `null` here.

export type Mode = 'real' | 'drill' | 'test';
export type Level = 'red' | 'orange' | 'yellow' | 'blue' | 'clear';
export type Health = 'ok' | 'suspect' | 'cut' | 'no-node';

export interface Session {
  person: string;
  name: string;
  roles: { role: string; sites: 'all' | string[] }[];
  node: string;
  site: string;
  expires_ms: number;
}

export interface NodeSeen {
  name: string;
  id: number;
  role: string;
  satellite: boolean;
  connected: boolean;
  rtt_ms: number | null;
  heard_ms_ago: number | null;
  leader: boolean;
}

export interface SiteSeen {
  id: string;
  name_zh: string;
  name_en: string | null;
  class: string;
  prefix: string;
  here: boolean;
  health: Health;
  age_ms: number | null;
  link: { kind: string; rtt_ms: number | null } | null;
  nodes: NodeSeen[];
}

export interface Overview {
  node: string;
  site: string;
  cluster: string;
  version: string;
  leader: string | null;
  term: number;
  quorum: boolean;
  local_mode: { on: boolean; since_ms: number | null; suspect: boolean };
  unrecorded: boolean;
  storage_stopped: string | null;
  now_ms: number;
  sites: SiteSeen[];
}

export type StepState =
  | 'pending' | 'waiting' | 'running' | 'done' | 'failed' | 'unknown'
  | 'unreachable' | 'expired' | 'superseded' | 'vetoed' | 'skipped';

export type Ending =
  | 'completed' | 'declined' | 'unanswered' | 'aborted' | 'superseded' | 'plan-gone';

export type Grade = 'sent' | 'answered' | 'receiving' | 'powered' | 'heard';

export interface Attempt {
  attempt: number;
  /** Whom it called, if it called a person. */
  callee?: string;
  callee_name?: string;
  began_ms?: number;
  ended_ms?: number;
  why: 'plan' | 'after-unknown' | 'person';
  result: null | 'done' | 'failed' | 'unreachable' | 'unknown' | 'ceased' | 'not-begun';
  reason: string | null;
  grade: Grade | null;
  reached: number;
  of: number;
  siren: boolean;
}

export interface Target {
  zone: string;
  /** Of a person, who it is; `zone` says the same then. */
  person?: string;
  /** Who acknowledged: that person, or one who stands in. */
  by?: string;
  by_name?: string;
  name_zh: string;
  name_en: string | null;
  state: StepState;
  attempts: Attempt[];
}

export interface Question {
  zh: string;
  en: string;
  by: string;
  until_ms: number | null;
}

export interface Step {
  id: string;
  kind: string | null;
  state: StepState;
  question: Question | null;
  elsewhere: string[];
  roster?: Roster;
  targets: Target[];
}

/** Of a step that reaches people: how many it has reached. */
export interface Roster {
  reached: number;
  of: number;
  /** Different people who acknowledged. */
  people: number;
  /** As many are wanted; `null`: every member. */
  need: number | null;
  under_way: number;
  unknown: number;
}

export interface Activation {
  id: string;
  plan: string;
  name_zh: string;
  name_en: string | null;
  level: Level;
  mode: Mode;
  launches: { intent: string; who: string; name: string | null }[];
  started_ms: number;
  ended: { how: Ending; at_ms: number } | null;
  steps: Step[];
}

export interface Awaiting {
  intent: string;
  plan: string;
  name_zh: string;
  name_en: string | null;
  level: Level | null;
  mode: Mode;
  who: string;
  name: string;
  until_ms: number;
}

export interface SiteBoard {
  site: string;
  age_ms: number | null;
  activations: Activation[];
  awaiting: Awaiting[];
}

export type CallState = 'ringing' | 'talked' | 'held' | 'ended';

export interface CallLine {
  id: string;
  site: string;
  node: number;
  /** Whether this node holds it: no other can end it. */
  here: boolean;
  from: string;
  from_name: string | null;
  dialled: string;
  dialled_name: string | null;
  by: string | null;
  by_name: string | null;
  rings: string[];
  state: CallState;
  at_ms: number;
  emergency: boolean;
  missed: boolean;
  why: string | null;
  talked_ms: number | null;
  seen: { who: string; name: string; at_ms: number } | null;
}

export interface Calls {
  live: CallLine[];
  live_more: number;
  missed: CallLine[];
  missed_more: number;
  ended: CallLine[];
}

export interface Person {
  id: string;
  name: string;
  rank: number;
  roles: { role: string; sites: string[] | null }[];
  extension: string | null;
  mobile: string | null;
  /** `null`: no telephone, or known at its own site only. */
  registered: boolean | null;
  acknowledged: { at_ms: number; site: string; activation: string } | null;
}

export interface SitePeople {
  /** Empty for people whom no site's telephones reach. */
  site: string;
  people: Person[];
}

export interface ConferenceMember {
  who: string;
  name: string;
  site: string;
  state: string;
  mute: boolean;
  speaks: boolean;
}

export interface Conference {
  id: string;
  number: string;
  title: string;
  root: string;
  /** Whether this node takes part in it: orders go through no other. */
  here: boolean;
  since_ms: number;
  joined: number;
  locked: boolean;
  lecture: boolean;
  missing: string[];
  members: ConferenceMember[];
  members_more: number;
}

export interface Speaker {
  id: string;
  extension: string;
  registered: boolean | null;
  state: string | null;
}

export interface Zone {
  id: string;
  site: string;
  name_zh: string;
  name_en: string | null;
  speakers_total: number;
  registered: number | null;
  page: null | {
    activation: string;
    plan: string | null;
    level: Level | null;
    mode: Mode;
    since_ms: number;
    state: string;
  };
  speakers: Speaker[];
}

export interface PreviewStep {
  step: string;
  kind: string;
  text_zh_en: string | null;
  zones: string[];
  repeat: number | null;
  roster?: string;
}

export type May = { ok: true } | { ok: false; why: string };

export interface Plan {
  id: string;
  name_zh: string;
  name_en: string | null;
  level: Level;
  version: number;
  steps: number;
  two_person: boolean;
  sites: string[];
  may: Record<string, May | undefined>;
  audio_ready: Record<string, boolean | undefined>;
  preview: PreviewStep[];
}

export interface Audio {
  id: string;
  lang: string;
  text: string;
  ready: boolean;
  ms: number | null;
}

export interface FactLine {
  id: string;
  node: number;
  site: string;
  seen: number;
  depth: number;
  at_ms: number;
  kind: string;
  body: unknown;
  line_zh: string;
  line_en: string;
}

export interface How {
  delivery: 'trying' | 'judged' | 'not-delivered' | 'unknown';
  status: string | null;
  activation: string | null;
  said: string;
}

export interface Sent extends How {
  intent: string;
}

/** RFC 9457. */
export interface Problem {
  type: string;
  status: number;
  title: string;
  detail: string;
}

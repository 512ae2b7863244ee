// The clicks there are, each with its place on the page and its words. The mode is
// always an argument, named by the button that was pressed; there is no default.

import type {
  Activation, CallLine, Conference, ConferenceMember, Mode, Plan, Step, Target, Zone,
} from '../contract';
import { named, namedInBoth, wordInBoth, type Both } from '../words/i18n.svelte';
import { clicks, type Click } from './clicks.svelte';
import { live } from './live.svelte';

const enc = encodeURIComponent;

export const place = {
  launch: (plan: string, site: string) => `launch/${plan}/${site}`,
  run: (run: string) => `run/${run}`,
  question: (run: string, step: string) => `run/${run}/${step}`,
  target: (run: string, step: string, zone: string) => `run/${run}/${step}/${zone}`,
  zone: (zone: string) => `zone/${zone}`,
  call: (call: string) => `call/${call}`,
  conference: (id: string) => `conference/${id}`,
  member: (id: string, who: string) => `conference/${id}/${who}`,
};

export function siteName(id: string): string {
  const site = live.site(id);
  return site ? named(site) : id;
}

function siteInBoth(id: string): Both {
  const site = live.site(id);
  return site ? namedInBoth(site) : { zh: id, en: id };
}

export function launch(plan: Plan, site: string, mode: Mode): Click {
  return clicks.send(
    place.launch(plan.id, site),
    `/api/v1/plans/${enc(plan.id)}/launch`,
    { site, mode },
    {
      key: 'what.launch',
      params: {
        mode: wordInBoth('mode', mode), plan: namedInBoth(plan), site: siteInBoth(site),
      },
    },
  );
}

export function abort(site: string, run: Activation): Click {
  return clicks.send(
    place.run(run.id),
    `/api/v1/activations/${enc(run.id)}/abort`,
    { site, mode: run.mode },
    { key: 'what.abort', params: { plan: namedInBoth(run), site: siteInBoth(site) } },
  );
}

export function answer(site: string, run: Activation, step: Step, yes: boolean) {
  return clicks.send(
    place.question(run.id, step.id),
    `/api/v1/activations/${enc(run.id)}/confirm`,
    { site, mode: run.mode, step: step.id, yes },
    {
      key: 'what.confirm',
      params: {
        answer: wordInBoth('runs', yes ? 'answerYes' : 'answerNo'),
        plan: namedInBoth(run),
        site: siteInBoth(site),
      },
    },
  );
}

export function repeat(site: string, run: Activation, step: Step, target: Target): Click {
  return clicks.send(
    place.target(run.id, step.id, target.zone),
    `/api/v1/activations/${enc(run.id)}/repeat`,
    {
      site, mode: run.mode, step: step.id, attempt: nextAttempt(target),
      ...(target.person === undefined ? { zone: target.zone } : { person: target.person }),
    },
    {
      key: target.person === undefined ? 'what.repeat' : `what.again.${step.kind === 'message' ? 'message' : 'call'}`,
      params: { zone: namedInBoth(target), plan: namedInBoth(run) },
    },
  );
}

/** Attempts count on from the highest that was made. */
export function nextAttempt(target: Target): number {
  return Math.max(0, ...target.attempts.map((one) => one.attempt)) + 1;
}

export function page(zone: Zone, audio: string, times: number, mode: Mode): Click {
  return clicks.send(
    place.zone(zone.id),
    `/api/v1/zones/${enc(zone.id)}/page`,
    { audio, repeat: times, mode },
    { key: 'what.page', params: { zone: namedInBoth(zone), mode: wordInBoth('mode', mode) } },
  );
}

export function stop(zone: Zone, mode: Mode): Click {
  return clicks.send(
    place.zone(zone.id),
    `/api/v1/zones/${enc(zone.id)}/stop`,
    { mode },
    { key: 'what.stop', params: { zone: namedInBoth(zone) } },
  );
}

/** A number with its owner's name, where that is known. */
export function whose(number: string, name: string | null): string {
  return name === null ? number : `${name} ${number}`;
}

function between(call: CallLine): Record<string, string> {
  return {
    from: whose(call.from, call.from_name), to: whose(call.dialled, call.dialled_name),
  };
}

export function endCall(call: CallLine): Click {
  return clicks.act(
    place.call(call.id), `/api/v1/calls/${enc(call.id)}`, 'DELETE', {}, 'call-ended',
    { key: 'what.endCall', params: between(call) },
  );
}

export function seeCall(call: CallLine): Click {
  return clicks.act(
    place.call(call.id), `/api/v1/calls/${enc(call.id)}/seen`, 'POST', {}, 'call-seen',
    { key: 'what.seeCall', params: between(call) },
  );
}

export type ConferenceOrder =
  | 'mute' | 'mute-all' | 'lecture' | 'lock' | 'remove' | 'redial' | 'end';

/** An order to a conference, about one member or about all. */
export function order(
  conference: Conference, what: ConferenceOrder, on = true, member?: ConferenceMember,
): Click {
  const at = member === undefined
    ? place.conference(conference.id) : place.member(conference.id, member.who);
  return clicks.act(
    at,
    `/api/v1/conferences/${enc(conference.number)}/orders`,
    'POST',
    { order: what, on, ...(member === undefined ? {} : { who: member.who }) },
    'ordered',
    {
      key: 'what.conference',
      params: {
        order: wordInBoth('order', on ? what : `${what}.off`),
        who: member?.name ?? '',
        number: conference.number,
      },
    },
  );
}

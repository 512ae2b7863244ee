// The clicks there are, each with its place on the page and its words. The mode is
// always an argument, named by the button that was pressed; there is no default.

import type { Activation, Mode, Plan, Step, Target, Zone } from '../contract';
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
    { site, mode: run.mode, step: step.id, zone: target.zone, attempt: nextAttempt(target) },
    { key: 'what.repeat', params: { zone: namedInBoth(target), plan: namedInBoth(run) } },
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

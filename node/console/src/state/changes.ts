// What changed between two pictures, said aloud. It says only what a person at
// the desk would call out across the room.

import type { Activation, Calls, Overview, SiteBoard, SiteSeen } from '../contract';
import { reached } from '../words/reached';
import { named, t, word } from '../words/i18n.svelte';
import { announcer } from './announce.svelte';

function overview(before: Overview | null, after: Overview) {
  if (before === null) return;
  for (const site of after.sites) {
    const was = before.sites.find((one) => one.id === site.id);
    if (was && was.health !== site.health && !site.here) {
      announcer.say(
        t('say.site', { site: named(site), health: word('health', site.health) }),
      );
    }
  }
}

function board(before: SiteBoard | undefined, after: SiteBoard, seen: SiteSeen | undefined) {
  const site = seen ? named(seen) : after.site;
  for (const run of after.activations) {
    const was = before?.activations.find((one) => one.id === run.id);
    if (before === undefined && run.ended !== null) continue;
    if (was === undefined) {
      const mode = word('mode', run.mode);
      announcer.say(t('say.started', { site, plan: named(run), mode }));
    } else if (was.ended === null && run.ended !== null) {
      announcer.say(t('say.ended', { site, plan: named(run), how: word('end', run.ended.how) }));
    }
    targets(was, run);
    questions(was, run, site);
  }
  for (const half of after.awaiting ?? []) {
    if (before === undefined || before.awaiting?.some((one) => one.intent === half.intent)) continue;
    announcer.alert(t('say.half', { site, plan: named(half), who: half.name }));
  }
}

/** An emergency is called out, when it rings and when nobody answered it. */
function calls(before: Calls | null, after: Calls) {
  const known = (list: { id: string }[] | undefined, id: string) => (
    list?.some((one) => one.id === id) ?? false
  );
  for (const call of after.missed) {
    if (before === null || known(before.missed, call.id)) continue;
    announcer.alert(t('say.missed', { site: call.site, from: call.from_name ?? call.from }));
  }
  for (const call of after.live) {
    if (!call.emergency || before === null || known(before.live, call.id)) continue;
    announcer.alert(t('say.emergency', { site: call.site, from: call.from_name ?? call.from }));
  }
}

function targets(was: Activation | undefined, run: Activation) {
  if (was === undefined) return;
  for (const step of run.steps) {
    const before = was.steps.find((one) => one.id === step.id);
    for (const target of step.targets) {
      const then = before?.targets.find((one) => one.zone === target.zone);
      if (then !== undefined && then.state === target.state) continue;
      const state = target.person === undefined
        ? word('state', target.state) : reached(step.kind, target);
      announcer.say(t('say.target', { zone: named(target), state }));
    }
  }
}

function questions(was: Activation | undefined, run: Activation, site: string) {
  for (const step of run.steps) {
    const before = was?.steps.find((one) => one.id === step.id);
    if (step.state !== 'waiting' || step.question === null || before?.state === 'waiting') continue;
    const question = named({ name_zh: step.question.zh, name_en: step.question.en });
    announcer.alert(t('say.asks', { site, question }));
  }
}

export const changes = { overview, board, calls };

// How a person was reached, in words: what the target's state and its attempts say,
// and no more. An answered call is no acknowledgement, a message that was taken is
// not a message that was read.

import type { Attempt, Target } from '../contract';
import { said, t, word, type Key } from './i18n.svelte';
import { hms } from './time';
import { zh } from './zh';

type Kind = string | null;

/** Whom an attempt called, where that is another person than the target. */
export function standIn(target: Target, attempt: Attempt): string | null {
  if (attempt.callee === undefined || attempt.callee === target.person) return null;
  return attempt.callee_name ?? attempt.callee;
}

/** What became of one attempt. */
export function attempted(kind: Kind, attempt: Attempt): string {
  const list = kind === 'message' ? 'message' : 'call';
  if (attempt.result === null) return t(`attempt.${list}.null` as Key);
  if (attempt.result === 'done') {
    // Only the key acknowledges; a message was accepted by whoever delivers it.
    const done = kind !== 'message' && attempt.grade === 'heard' ? 'done' : `done.${list}`;
    const key = `attempt.${done}` as Key;
    const at = attempt.ended_ms;
    return at === undefined ? t(key) : t('attempt.at', { what: t(key), at: hms(at) });
  }
  const why = attempt.reason === null ? null : `why.${attempt.reason}`;
  if (why !== null && why in zh) return t(why as Key);
  const plain = word('attempt', attempt.result);
  return attempt.reason === null ? plain : `${plain}: ${said(attempt.reason)}`;
}

/** How a person stands. */
export function reached(kind: Kind, target: Target): string {
  const done = target.attempts.find((one) => one.result === 'done');
  switch (target.state) {
    case 'done': {
      if (target.by !== undefined && target.by !== target.person) {
        return t('person.covered', { who: target.by_name ?? target.by });
      }
      return done === undefined ? t('person.done') : attempted(kind, done);
    }
    case 'running': {
      const last = target.attempts.at(-1);
      const other = last === undefined ? null : standIn(target, last);
      if (last === undefined || last.result !== null) return t('person.between');
      return other === null ? attempted(kind, last) : t('person.substitute', { who: other });
    }
    case 'failed': case 'unreachable': {
      const last = target.attempts.at(-1);
      return last === undefined ? word('state', target.state) : attempted(kind, last);
    }
    case 'skipped':
      return t('person.skipped');
    case 'pending':
      return t('person.pending');
    default:
      return word('state', target.state);
  }
}

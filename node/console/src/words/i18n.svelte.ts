// The words in the chosen language. A word the node says that this page does not
// know is shown as it came, never hidden.

import { prefs } from '../state/prefs.svelte';
import { en } from './en';
import { halves } from './said';
import { span as spanIn } from './time';
import { zh, type Key } from './zh';

export type { Key };
export type Params = Record<string, string | number>;

export function t(key: Key, params: Params = {}): string {
  const text: string = (prefs.lang === 'zh' ? zh : en)[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** A word from a closed list of the node's, such as a state or a grade. */
export function word(list: string, value: string | null): string {
  const key = `${list}.${value}`;
  return key in zh ? t(key as Key) : String(value ?? '');
}

/** A name in the reader's language; the other one where it is lacking. */
export function named(thing: { name_zh: string; name_en: string | null }): string {
  return (prefs.lang === 'en' && thing.name_en) || thing.name_zh;
}

/** One half of "中文 / English". */
export function said(text: string): string {
  const both = halves(text);
  return both === null ? text : both[prefs.lang];
}

export function span(ms: number): string {
  return spanIn(ms, prefs.lang);
}

/** "8 s ago", or "just now". */
export function ago(ms: number | null): string {
  if (ms === null) return t('age.never');
  return ms < 2_000 ? t('age.now') : t('age.ago', { age: span(ms) });
}

// The words in the chosen language. A word the node says that this page does not
// know is shown as it came, never hidden.

import { prefs } from '../state/prefs.svelte';
import { en } from './en';
import { halves } from './said';
import { span as spanIn } from './time';
import { zh, type Key } from './zh';

export type { Key };
/** For words that are kept and may be read in another language than they were made in. */
export interface Both {
  zh: string;
  en: string;
}
export type Params = Record<string, string | number | Both>;

export function t(key: Key, params: Params = {}): string {
  const text: string = (prefs.lang === 'zh' ? zh : en)[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const param = params[name] ?? whole;
    return typeof param === 'object' ? param[prefs.lang] : String(param);
  });
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

export function wordInBoth(list: string, value: string): Both {
  const key = `${list}.${value}` as Key;
  return key in zh ? { zh: zh[key], en: en[key] } : { zh: value, en: value };
}

export function namedInBoth(thing: { name_zh: string; name_en: string | null }): Both {
  return { zh: thing.name_zh, en: thing.name_en || thing.name_zh };
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

// Times and spans for people: HH:MM:SS local, dates in full, spans short.

import type { Lang } from '../state/prefs.svelte';

const two = (n: number) => String(n).padStart(2, '0');

export function hms(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function dateAndTime(ms: number): string {
  const at = new Date(ms);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${hms(ms)}`;
}

/** "8 秒", "3 分 05 秒", "2 小时 10 分". Never rounded to look younger. */
export function span(ms: number, lang: Lang): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours, days] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86_400)];
  const zh = lang === 'zh';
  if (s < 60) return zh ? `${s} 秒` : `${s} s`;
  if (minutes < 60) {
    return zh ? `${minutes} 分 ${two(s % 60)} 秒` : `${minutes} min ${two(s % 60)} s`;
  }
  if (hours < 48) return zh ? `${hours} 小时 ${two(minutes % 60)} 分` : `${hours} h ${two(minutes % 60)}`;
  return zh ? `${days} 天` : `${days} d`;
}

/** A countdown, "1:05"; 0:00 once it is over. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(s / 60)}:${two(s % 60)}`;
}

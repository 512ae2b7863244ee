// The node speaks both languages at once, "中文 / English". This picks one half and
// leaves a text alone that it cannot split with certainty.

const CJK = /[\u3400-\u9fff\uff00-\uffef\u3000-\u303f]/g;
const LATIN = /[A-Za-z]+/g;

function count(text: string, what: RegExp): number {
  return text.match(what)?.length ?? 0;
}

/** Both halves, or `null` where there is one language only. */
export function halves(text: string): { zh: string; en: string } | null {
  const parts = text.split(' / ');
  let best: { zh: string; en: string; wrong: number } | null = null;
  for (let at = 1; at < parts.length; at += 1) {
    const zh = parts.slice(0, at).join(' / ').trim();
    const en = parts.slice(at).join(' / ').trim();
    if (count(zh, CJK) === 0 || count(en, LATIN) === 0) continue;
    // Names and ids of the other script may stand in either half.
    const wrong = count(en, CJK) + count(zh, LATIN);
    if (best === null || wrong < best.wrong) best = { zh, en, wrong };
  }
  return best === null ? null : { zh: best.zh, en: best.en };
}

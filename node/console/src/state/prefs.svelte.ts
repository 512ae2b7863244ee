// What this browser remembers of its user: language, day or night, the site last
// chosen. Never a password, never a mode.

export type Lang = 'zh' | 'en';
export type Theme = 'auto' | 'light' | 'dark';

const PREFIX = 'weir.';

function recall<T extends string>(name: string, allowed: readonly T[]): T | null {
  try {
    const kept = localStorage.getItem(PREFIX + name);
    return allowed.find((one) => one === kept) ?? null;
  } catch {
    return null;
  }
}

function keep(name: string, value: string) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}

function browserLang(): Lang {
  const first = navigator.languages[0] ?? navigator.language;
  return first.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

class Prefs {
  lang = $state<Lang>(recall('lang', ['zh', 'en']) ?? browserLang());
  theme = $state<Theme>(recall('theme', ['auto', 'light', 'dark']) ?? 'auto');
  /** Single-key shortcuts; some assistive tools need them off. */
  keys = $state<'on' | 'off'>(recall('keys', ['on', 'off']) ?? 'on');
  /** Where the next launch goes; checked against the sites before use. */
  site = $state<string | null>(null);

  constructor() {
    try {
      this.site = localStorage.getItem(`${PREFIX}site`);
    } catch {
      this.site = null;
    }
  }

  setLang(lang: Lang) {
    this.lang = lang;
    keep('lang', lang);
  }

  setTheme(theme: Theme) {
    this.theme = theme;
    keep('theme', theme);
  }

  setKeys(keys: 'on' | 'off') {
    this.keys = keys;
    keep('keys', keys);
  }

  setSite(site: string) {
    this.site = site;
    keep('site', site);
  }
}

export const prefs = new Prefs();

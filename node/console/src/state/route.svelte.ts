// Where the page is, in its hash: `#/`, `#/journal`, `#/site/R5`, `#/zone/5403`,
// `#/run/R3/ID`, `#/calls`, `#/conferences`, `#/people`. An unknown hash is the board.

export type Route =
  | { at: 'board' }
  | { at: 'journal' }
  | { at: 'calls' }
  | { at: 'conferences' }
  | { at: 'people' }
  | { at: 'site'; site: string }
  | { at: 'zone'; zone: string }
  | { at: 'run'; site: string; run: string };

export function parse(hash: string): Route {
  const [at, one, two] = hash.replace(/^#\/?/, '').split('/').map(decoded);
  if (at === 'journal' || at === 'calls' || at === 'conferences' || at === 'people') return { at };
  if (at === 'site' && one) return { at, site: one };
  if (at === 'zone' && one) return { at, zone: one };
  if (at === 'run' && one && two) return { at, site: one, run: two };
  return { at: 'board' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const link = {
  board: '#/',
  journal: '#/journal',
  calls: '#/calls',
  conferences: '#/conferences',
  people: '#/people',
  site: (site: string) => `#/site/${encodeURIComponent(site)}`,
  zone: (zone: string) => `#/zone/${encodeURIComponent(zone)}`,
  run: (site: string, run: string) =>
    `#/run/${encodeURIComponent(site)}/${encodeURIComponent(run)}`,
};

class Where {
  route = $state.raw<Route>(parse(location.hash));

  start(): () => void {
    const moved = () => (this.route = parse(location.hash));
    addEventListener('hashchange', moved);
    return () => removeEventListener('hashchange', moved);
  }
}

export const where = new Where();

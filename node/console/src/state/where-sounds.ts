// Which zones a plan's step would page at a site: `$SITE` stands for the site's
// prefix, `*` for the rest of a name. For showing only; the home site decides.

import type { PreviewStep, Zone } from '../contract';

export function zonesOf(step: PreviewStep, prefix: string, zones: Zone[]): Zone[] {
  const names = step.zones.map((name) => name.replace('$SITE', prefix));
  return zones.filter((zone) => names.some((name) => matches(name, zone.id)));
}

function matches(name: string, id: string): boolean {
  return name.endsWith('*') ? id.startsWith(name.slice(0, -1)) : name === id;
}

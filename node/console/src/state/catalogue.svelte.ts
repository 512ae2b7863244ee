// Plans and recordings: what there is to start. The event stream does not carry
// them, so they are read at start, after a reconnect and every minute.

import type { Audio, Plan } from '../contract';
import { ask, Refused } from './api';
import { session } from './session.svelte';

const EVERY_MS = 60_000;

class Catalogue {
  plans = $state.raw<Plan[] | null>(null);
  audio = $state.raw<Audio[] | null>(null);
  failed = $state(false);
  #busy = false;

  async read(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      const plans = ask<Plan[]>('/api/v1/plans');
      const audio = ask<Audio[]>('/api/v1/audio');
      [this.plans, this.audio] = await Promise.all([plans, audio]);
      this.failed = false;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) session.lost();
      this.failed = true;
    } finally {
      this.#busy = false;
    }
  }

  plan(id: string): Plan | undefined {
    return this.plans?.find((plan) => plan.id === id);
  }

  start(): () => void {
    void this.read();
    const timer = setInterval(() => void this.read(), EVERY_MS);
    return () => {
      clearInterval(timer);
      this.plans = null;
      this.audio = null;
    };
  }
}

export const catalogue = new Catalogue();

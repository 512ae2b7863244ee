// Who is signed in. It never keeps the password, and tells an ended session from
// a node that cannot be reached.

import type { Session } from '../contract';
import { ask, Refused } from './api';

export type Standing = 'asking' | 'unreachable' | 'out' | 'in';

class Signed {
  standing = $state<Standing>('asking');
  /** Signed out by the node, not by a click. */
  ended = $state(false);
  who = $state.raw<Session | null>(null);

  /** Asks the node; repeated by the caller while it is unreachable. */
  async look(): Promise<void> {
    try {
      this.#in(await ask<Session>('/api/v1/session'));
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.standing = 'out';
      else this.standing = 'unreachable';
    }
  }

  async signIn(person: string, password: string): Promise<void> {
    const body = { person, password };
    this.#in(await ask<Session>('/api/v1/session', { method: 'POST', body }));
    this.ended = false;
  }

  async signOut(): Promise<void> {
    try {
      await ask('/api/v1/session', { method: 'DELETE' });
    } catch (error) {
      // A session that cannot be ended there still must not stay usable here
      // unseen: the sign-in page asks the node again.
      if (!(error instanceof Refused)) return this.look();
    }
    this.ended = false;
    this.#out();
  }

  /** The node no longer knows the session. */
  lost() {
    this.ended = this.standing === 'in';
    this.#out();
  }

  #in(who: Session) {
    this.who = who;
    this.standing = 'in';
  }

  #out() {
    this.who = null;
    this.standing = 'out';
  }
}

export const session = new Signed();

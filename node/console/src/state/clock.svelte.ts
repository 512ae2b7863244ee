// One ticking "now" for every age and countdown on the page, so that they move
// together, and the node's wall clock as last heard.

class Clock {
  /** This browser's wall clock, ms, once a second. */
  now = $state(Date.now());
  /** Node's clock minus the browser's, ms. */
  offset = $state(0);

  /** The node's wall clock, as far as this page can tell. */
  get node(): number {
    return this.now + this.offset;
  }

  heardNode(nowMs: number) {
    const offset = nowMs - Date.now();
    // A jitter of network delays must not make countdowns tremble.
    if (Math.abs(offset - this.offset) > 300) this.offset = offset;
    this.now = Date.now();
  }

  start(): () => void {
    const tick = () => (this.now = Date.now());
    const timer = setInterval(tick, 500);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }
}

export const clock = new Clock();

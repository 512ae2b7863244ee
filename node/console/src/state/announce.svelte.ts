// What a screen reader is told. Polite lines wait their turn and are gathered, so
// that twenty speakers answering at once are one sentence, not twenty.

const GATHER_MS = 700;
const LINES_MAX = 6;

class Announcer {
  polite = $state('');
  urgent = $state('');
  #lines: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(line: string) {
    if (!this.#lines.includes(line)) this.#lines.push(line);
    this.#lines = this.#lines.slice(-LINES_MAX);
    this.#timer ??= setTimeout(() => {
      this.polite = this.#lines.join(' · ');
      this.#lines = [];
      this.#timer = undefined;
    }, GATHER_MS);
  }

  alert(line: string) {
    this.urgent = line;
  }
}

export const announcer = new Announcer();

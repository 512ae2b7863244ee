// Arrow keys within a list: up and down (or left and right) go from row to row,
// Home and End to its ends. Rows are what carries `data-row`. It leaves keys alone
// that a text field, a select or a radio group needs.

const STEPS: Record<string, number> = {
  ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1,
};

export function arrows(list: HTMLElement, along: 'up-down' | 'left-right' = 'up-down') {
  function move(event: KeyboardEvent) {
    if (event.altKey || event.ctrlKey || event.metaKey || typing(event.target)) return;
    const across = event.key === 'ArrowLeft' || event.key === 'ArrowRight';
    const step = STEPS[event.key];
    const edge = event.key === 'Home' || event.key === 'End';
    if (!edge && (step === undefined || across !== (along === 'left-right'))) return;
    const rows = [...list.querySelectorAll<HTMLElement>('[data-row]')];
    const focused = document.activeElement;
    const at = rows.findIndex((row) => row === focused || row.contains(focused));
    const next = edge ? (event.key === 'Home' ? 0 : rows.length - 1) : at + (step ?? 0);
    const row = rows[Math.max(0, Math.min(rows.length - 1, next))];
    if (row === undefined) return;
    event.preventDefault();
    row.focus();
    row.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
  list.addEventListener('keydown', move);
  return { destroy: () => list.removeEventListener('keydown', move) };
}

export function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement && target.type !== 'checkbox'
    || target instanceof HTMLSelectElement
    || target instanceof HTMLTextAreaElement;
}

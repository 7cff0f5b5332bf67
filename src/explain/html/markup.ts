/** The few forms of HTML that the components share. Text from a log must go through `safe`. */
import { printable } from '../../text/printable.ts';

/**
 * Escapes text for HTML and for attribute values. The caller must replace control characters with `printable` first.
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Escapes text from a log for HTML and for attribute values. */
export const safe = (text: string): string => escapeHtml(printable(text));

/** A list of items that are HTML. "" when there are none. */
export const bullets = (items: readonly string[]): string =>
  items.length === 0 ? '' : `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;

/** A box with a heading. "" when it would be empty. */
export const card = (title: string, body: string): string =>
  body === '' ? '' : `<div class="card"><h3>${title}</h3>${body}</div>`;

/** Advice: what to do, and why. */
export function advice(list: readonly { do: string; because: string }[]): string {
  if (list.length === 0) return '';
  const items = list.map((one) => `<li>${safe(one.do)}<br><span class="dim">${safe(one.because)}</span></li>`);
  return `<h3>What to do</h3><ol class="advice">${items.join('')}</ol>`;
}

/** A part of the page that scrolls by itself, also by keyboard. */
export const scrolling = (label: string, body: string, kind = ''): string =>
  `<div class="scroll ${kind}" role="region" aria-label="${escapeHtml(label)}" tabindex="0">${body}</div>`;

/** Items beyond `shown` are behind a switch that says how many they are. */
export function folded(items: readonly string[], shown: number, wrap: (items: string) => string): string {
  if (items.length <= shown + 1) return wrap(items.join(''));
  const [first, rest] = [items.slice(0, shown), items.slice(shown)];
  return `${wrap(first.join(''))}<details class="more"><summary>${rest.length} more</summary>${wrap(rest.join(''))}</details>`;
}

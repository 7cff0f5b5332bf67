/** Events as rows of a table, each with a link to its story. */
import { escapeHtml, safe } from '../../explain/html/markup.ts';
import type { ListRow } from '../wire.ts';

const red = new Set(['killed', 'group_member', 'shared_memory', 'logged', 'other', 'stuck']);
const amber = new Set(['signal', 'guard', 'lost', 'container']);

const two = (value: number) => String(value).padStart(2, '0');

export function localTime(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** @param named whether each row names its node */
export function rowsTable(rows: readonly ListRow[], named = false): string {
  const placeOf = ({ node, container, pod, unit }: ListRow) =>
    `${named ? node : ''} ${container ?? pod ?? unit ?? ''}`.trim();
  const hasPlaces = rows.some((row) => placeOf(row) !== '');
  const body = rows.map((row) => {
    const { id, timeMs, kind, logged, message } = row;
    const colour = red.has(kind) ? 'bad' : amber.has(kind) ? 'warn' : 'dim';
    const place = safe(placeOf(row));
    const where = hasPlaces ? `<td class="dim where" title="${place}">${place}</td>` : '';
    const from = logged ? ' <span class="dim">from the kernel’s log</span>' : '';
    return `<tr><td class="time"><a href="#/kill/${escapeHtml(encodeURIComponent(id))}">${localTime(timeMs)}</a></td><td class="${colour}">${kind.replaceAll('_', ' ')}</td><td>${safe(message)}${from}</td>${where}</tr>`;
  });
  return `<table class="rows"><thead><tr><th scope="col">time</th><th scope="col">kind</th><th scope="col">what</th>${hasPlaces ? '<th scope="col">where</th>' : ''}</tr></thead><tbody>${body.join('')}</tbody></table>`;
}

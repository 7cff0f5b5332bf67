/** What the tables of processes do: a heading sorts, a name compares the process with the victim, arrow keys move. */
import type { OomReport } from '../../model/oom-report.ts';
import { COLUMNS } from '../glossary/tasks.ts';
import { comparisonView } from '../html/comparison-view.ts';
import { LARGEST, type Order, processRows } from '../html/process-table.ts';
import { compare } from '../verdict/comparison.ts';
import { element, type PageElement, type PageEvent } from './dom.ts';

/** Returns the report that a table of the page shows. @param index the number of the table in the page */
type ReportOf = (index: number) => OomReport | undefined;

/** Handles a click on a heading or on a name. Other clicks are ignored. */
export function clicked({ target }: PageEvent, reportOf: ReportOf): void {
  const table = target.closest('table.tasks');
  const report = table ? reportOf(Number(table.dataset.report)) : undefined;
  if (!table || !report) return;
  const heading = target.closest('[data-sort]');
  if (heading) sort(table, heading, report);
  const name = target.closest('[data-tid]');
  if (name) choose(table, name, report);
}

function sort(table: PageElement, heading: PageElement, report: OomReport): void {
  const order = next(heading);
  for (const one of Array.from(table.querySelectorAll('[data-sort]'))) {
    const sorted = one === heading ? (order.descending ? 'descending' : 'ascending') : 'none';
    one.closest('th')?.setAttribute('aria-sort', sorted);
  }
  const body = table.querySelector('tbody');
  if (!body) return;
  body.innerHTML = processRows(report, order);
  const chosen = table.querySelector(`[data-tid="${table.dataset.chosen ?? ''}"]`);
  if (chosen) mark(table, chosen);
}

/** A second use of a heading reverses the order. A name begins with A, a number with the largest. */
function next(heading: PageElement): Order {
  const column = COLUMNS.find(({ field }) => field === heading.dataset.sort);
  const now = heading.closest('th')?.getAttribute('aria-sort');
  const first = column?.kind !== 'text';
  const descending = now === 'descending' ? false : now === 'ascending' ? true : first;
  return { field: column?.field ?? LARGEST.field, descending };
}

function choose(table: PageElement, name: PageElement, report: OomReport): void {
  table.dataset.chosen = name.dataset.tid;
  mark(table, name);
  const panel = element(`comparison-${table.dataset.report}`);
  panel.innerHTML = comparisonView(compare(report, Number(name.dataset.tid)));
  panel.scrollIntoView({ block: 'nearest' });
}

/** Shows which process is compared with the victim. */
function mark(table: PageElement, name: PageElement): void {
  for (const row of Array.from(table.querySelectorAll('tr.chosen'))) row.classList.toggle('chosen', false);
  name.closest('tr')?.classList.toggle('chosen', true);
  rove(table, name);
}

/** Moves the focus from name to name with the arrow keys, Home and End. */
export function pressed(event: PageEvent): void {
  const name = event.target.closest('[data-tid]');
  const table = name?.closest('table.tasks');
  if (!name || !table) return;
  const names = Array.from(table.querySelectorAll('[data-tid]'));
  const at = names.indexOf(name);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: names.length - 1 }[event.key ?? ''];
  const target = to === undefined ? undefined : names[to];
  if (!target) return;
  event.preventDefault();
  rove(table, target);
  target.focus();
}

/** Of all names of a table, only one is reached with the Tab key. */
function rove(table: PageElement, name: PageElement): void {
  for (const one of Array.from(table.querySelectorAll('[data-tid][tabindex="0"]'))) one.tabIndex = -1;
  name.tabIndex = 0;
}

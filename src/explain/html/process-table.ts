/** The task table of a report with all its columns. The page sorts it, and compares a chosen process with the victim. */
import type { OomReport, ReportTask } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { COLUMNS, type Column } from '../glossary/tasks.ts';
import { escapeHtml, safe, scrolling } from './markup.ts';

/** By which column the table is sorted. */
export interface Order {
  field: Column['field'];
  descending: boolean;
}

/** The largest processes first. */
export const LARGEST: Order = { field: 'rss_bytes', descending: true };

/** The columns that this kernel prints. */
export const columnsOf = ({ tasks }: OomReport): readonly Column[] =>
  COLUMNS.filter(({ field }) => tasks.some((task) => task[field] != null));

/** @param index number of the report in the page */
export function processTable(report: OomReport, index: number, order: Order = LARGEST): string {
  const { tasks } = report;
  if (tasks.length === 0) return '';
  const heads = columnsOf(report).map((column) => heading(column, order));
  const title = `The ${tasks.length} processes of the task table`;
  const hint = '<p class="dim">A heading sorts; a name compares the process with the victim.</p>';
  const table = `<table class="tasks" data-report="${index}"><caption class="hidden">${title}</caption><thead><tr>${heads.join('')}</tr></thead><tbody>${processRows(report, order)}</tbody></table>`;
  return `${hint}${scrolling(title, table, 'tall')}<div class="comparison" id="comparison-${index}" role="status"></div>`;
}

function heading({ field, title, kernel, meaning, kind }: Column, order: Order): string {
  const sorted = field !== order.field ? 'none' : order.descending ? 'descending' : 'ascending';
  const name = kernel === '' ? '' : ` (${kernel})`;
  return `<th scope="col" aria-sort="${sorted}"${kind === 'text' ? '' : ' class="figure"'}><button type="button" data-sort="${field}" title="${escapeHtml(meaning + name)}">${title}</button></th>`;
}

/** The rows in an order. Equal rows keep the order of the kernel's list. */
export function processRows(report: OomReport, { field, descending }: Order): string {
  const columns = columnsOf(report);
  const sign = descending ? -1 : 1;
  const sorted = report.tasks.toSorted((a, b) => sign * compareValues(a[field] ?? null, b[field] ?? null));
  return sorted.map((task, i) => row(task, columns, report, i === 0)).join('');
}

/** null is below every number. */
function compareValues(a: string | number | null, b: string | number | null): number {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? -1 : 1;
  return a < b ? -1 : 1;
}

/** Only the first row's button is in the tab order: the arrow keys move to the others. */
function row(task: ReportTask, columns: readonly Column[], { victim }: OomReport, first: boolean): string {
  const killed = task.tid === victim?.tid;
  const cells = columns.map(({ field, kind }) => {
    const value = task[field];
    if (field === 'comm') {
      const mark = killed ? ' <b>killed</b>' : '';
      return `<th scope="row" class="name"><button type="button" class="link" data-tid="${task.tid}" tabindex="${first ? 0 : -1}">${task.comm === '' ? '(no name)' : safe(task.comm)}</button>${mark}</th>`;
    }
    const text = value == null ? '' : kind === 'size' ? formatBytes(Number(value)) : String(value);
    return `<td class="figure">${text}</td>`;
  });
  return `<tr${killed ? ' class="killed"' : ''}>${cells.join('')}</tr>`;
}

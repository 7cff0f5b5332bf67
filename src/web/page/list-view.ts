/** The views "Kills" and "Guard": a list of events with filters, from the history. */
import { escapeHtml } from '../../explain/html/markup.ts';
import { formatBytes } from '../../text/format.ts';
import type { Extent, List, ListRow, Sum } from '../wire.ts';
import { byId, type WebElement } from './browser.ts';
import { daysChart } from './charts.ts';
import { get } from './connection.ts';
import { rowsTable } from './rows.ts';

const field = (name: string, label: string, hint: string, value = '') =>
  `<label>${label} <input name="${name}" value="${escapeHtml(value)}" placeholder="${hint}" autocomplete="off"></label>`;

const options: [string, string][] = [
  ['', 'kills, pressure, guard, losses'],
  ['killed,group_member,shared_memory,logged', 'kills by the kernel'],
  ['signal,other', 'kills by others'],
  ['guard', 'decisions of the guard'],
  ['pressure', 'pressure, short episodes too'],
  ['container', 'ends of containers'],
  ['lost', 'losses'],
  ['run', 'starts and stops of oomscope'],
];

export const killsPage = `<h1 id="title" tabindex="-1">Kills</h1>
<div id="days" class="plot" role="img" aria-label="Kills by day; the list below has the kills themselves"></div><p id="extent" class="dim"></p>
<form id="filters" class="filters">
<label>Kind <select name="kind">${options.map(([value, label]) => `<option value="${value}">${label}</option>`).join('')}</select></label>
${field('name', 'Process', 'postgres')}${field('container', 'Container', 'shop-*')}
<button type="submit">Show</button>
<details><summary>Pod, unit, time</summary><div>${field('pod', 'Pod', 'shop/*')}${field('unit', 'Unit', '*.service')}${field('since', 'Since', 'yesterday')}${field('until', 'Until', '5 min ago')}</div></details></form>
<p id="fresh" role="status"></p><div id="list"></div><p><button id="older" type="button" hidden>Older</button></p>`;

export const guardPage = `<h1 id="title" tabindex="-1">The guard’s decisions</h1>
<p id="mode" class="dim"></p><p id="fresh" role="status"></p><div id="list"></div><p><button id="older" type="button" hidden>Older</button></p>`;

/** A list that is fetched in parts, and that says when newer events have arrived. */
export class ListView {
  readonly #fixed: Record<string, string>;
  readonly #isFleet: boolean;
  #filters: Record<string, string> = {};
  #rows: ListRow[] = [];
  #fresh = 0;
  #chart: { destroy(): void; fit(): void } | undefined;

  /** @param fixed parameters that every request has. @param isFleet whether each row names its node */
  constructor(fixed: Record<string, string>, isFleet: boolean) {
    this.#fixed = fixed;
    this.#isFleet = isFleet;
    byId('older').addEventListener('click', () => void this.#load(true));
  }

  async begin(): Promise<void> {
    await this.#load(false);
  }

  /** Listens to the form of the filters, and draws the chart of days. */
  async withFilters(): Promise<void> {
    const form = byId('filters');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#filters = Object.fromEntries(
        Array.from(form.elements, ({ name, value }) => [name, value]).filter(([name]) => name !== ''),
      );
      void this.#load(false);
    });
    await Promise.all([this.#load(false), this.#days()]);
  }

  /** An event has arrived. */
  onRow(): void {
    this.#fresh++;
    byId('fresh').innerHTML =
      `<button id="reload" type="button">${this.#fresh} new ${this.#fresh === 1 ? 'event' : 'events'}: show</button>`;
    byId('reload').addEventListener('click', () => void this.#load(false));
  }

  fit(): void {
    this.#chart?.fit();
  }

  close(): void {
    this.#chart?.destroy();
  }

  async #load(older: boolean): Promise<void> {
    const last = this.#rows.at(-1);
    const before = older && last ? { before: `${last.timeMs},${last.number}` } : {};
    try {
      const { rows, more } = await get<List>('/api/list', { ...this.#filters, ...this.#fixed, ...before });
      this.#rows = older ? [...this.#rows, ...rows] : rows;
      this.#fresh = 0;
      byId('fresh').textContent = '';
      byId('list').innerHTML =
        this.#rows.length === 0 ? '<p>No event matches.</p>' : rowsTable(this.#rows, this.#isFleet);
      (byId('older') as WebElement & { hidden: boolean }).hidden = !more;
    } catch (error) {
      byId('fresh').textContent = (error as Error).message;
    }
  }

  async #days(): Promise<void> {
    try {
      const { sums, extent } = await get<{ sums: Sum[]; extent: Extent | null }>('/api/stats', {
        by: 'day',
        since: '90 days ago',
        limit: '90',
      });
      if (sums.length > 0) this.#chart = daysChart('days', sums);
      byId('extent').textContent = this.#isFleet
        ? `${extent?.entries ?? 0} events of all nodes.`
        : extent
          ? extentText(extent)
          : 'No history is kept: these are the last events. [history] in the configuration keeps them.';
    } catch (error) {
      byId('extent').textContent = (error as Error).message;
    }
  }
}

function extentText({ entries, firstMs, bytes, removed }: Extent): string {
  const since = firstMs === null ? '' : ` since ${new Date(firstMs).toISOString().slice(0, 10)}`;
  const gone = removed.map(
    ({ cause, entries: count }) => ` ${count} older ones were dropped by ${cause === 'age' ? 'max_age' : 'max_size'}.`,
  );
  return `The history has ${entries} events${since}, ${formatBytes(bytes)}.${gone.join('')}`;
}

/** The view "Now": whether memory is short, where, and what would be killed. */

import { shareBar } from '../../explain/html/charts.ts';
import { safe } from '../../explain/html/markup.ts';
import { formatBytes, formatPercent, formatRate, formatSpan } from '../../text/format.ts';
import { byId } from './browser.ts';
import { PastChart } from './charts.ts';
import { rowsTable } from './rows.ts';
import type { Hot, State } from './state.ts';
import { treemap } from './treemap.ts';

const HOT = 10;
/** Above this share of its limit a cgroup is called hot; or when it will be full within this time (s). */
const NEAR = 0.9;
const SOON_SECONDS = 120;

export const nowPage = `<h1 id="title" tabindex="-1">Now</h1>
<p id="headline" class="headline" role="status"></p>
<dl id="tiles" class="tiles"></dl>
<section aria-labelledby="map-title"><h2 id="map-title">Where the memory is</h2><p class="dim">The area is memory in use, caches of files included, which the kernel can take back; the colour says how full the limit of a cgroup is: <span class="key-word cool">below 70 %</span> <span class="key-word warm">70 to 90 %</span> <span class="key-word hot">above 90 %</span> <span class="key-word unlimited">no limit</span>.</p><div id="map"></div></section>
<div class="cards wide">
<section class="card" aria-labelledby="hot-title"><h2 id="hot-title">Nearest to their limits</h2><div id="hot"></div></section>
<section class="card" aria-labelledby="next-title"><h2 id="next-title">Killed next, if the machine ran out</h2><div id="next"></div></section>
</div>
<section aria-labelledby="past-title"><h2 id="past-title">The last ten minutes</h2><div id="past" class="plot" role="img" aria-label="Memory in use and stalled time over the last ten minutes; the figures above are the present ones"></div></section>
<section aria-labelledby="recent-title"><h2 id="recent-title">Last events</h2><div id="recent"></div></section>`;

export class NowView {
  readonly #state: State;
  readonly #chart: PastChart;
  /** What each part of the page shows, so that an unchanged part is left alone: a screen reader reads it undisturbed. */
  readonly #shown = new Map<string, string>();

  constructor(state: State) {
    this.#state = state;
    this.#chart = new PastChart('past', state.past);
    this.update();
  }

  update(): void {
    const { machine, groups, next, past, rows } = this.#state;
    if (!machine) return;
    const hot = this.#state.hot();
    this.#show('headline', headline(this.#state, hot));
    this.#show('tiles', tiles(machine));
    const [first] = hot;
    const hottest = first && first.full >= NEAR ? first.group.key : undefined;
    this.#show('map', treemap(groups.values(), machine, Math.max(300, byId('map').clientWidth), hottest));
    this.#show('hot', hotTable(hot.slice(0, HOT)));
    this.#show('next', nextTable(next));
    this.#show(
      'recent',
      rows.length === 0 ? '<p class="dim">No event since this page was opened.</p>' : rowsTable(rows.slice(0, 8)),
    );
    this.#chart.update(past);
  }

  fit(): void {
    this.#chart.fit();
    this.#shown.delete('map');
    this.update();
  }

  close(): void {
    this.#chart.destroy();
  }

  #show(id: string, html: string): void {
    if (this.#shown.get(id) === html) return;
    this.#shown.set(id, html);
    byId(id).innerHTML = html;
  }
}

/** One sentence that says whether something must be done. */
function headline({ machine }: State, hot: readonly Hot[]): string {
  if (!machine) return '';
  const { total, available, some } = machine;
  const share = total === 0 ? 1 : available / total;
  const soon = hot
    .filter(({ leftSeconds }) => leftSeconds !== null && leftSeconds < SOON_SECONDS)
    .sort((a, b) => (a.leftSeconds ?? 0) - (b.leftSeconds ?? 0))[0];
  const full = hot[0];
  const parts: string[] = [];
  if (share < 0.1)
    parts.push(
      `<b class="bad">The machine is short of memory</b>: ${formatBytes(available)} of ${formatBytes(total)} are available.`,
    );
  if (soon)
    parts.push(
      `<b class="bad">${safe(soon.group.name)}</b> reaches its limit of ${formatBytes(soon.group.limit ?? 0)} in ${formatSpan(soon.leftSeconds ?? 0)} if it grows on.`,
    );
  if (full && full.full >= NEAR && full !== soon)
    parts.push(
      `<b class="bad">${safe(full.group.name)}</b> is at ${formatPercent(full.full)} of its limit of ${formatBytes(full.group.limit ?? 0)}.`,
    );
  if (some !== null && some >= 0.1) parts.push(`Tasks waited for memory in ${formatPercent(some)} of the last second.`);
  if (parts.length > 0) return parts.join(' ');
  const near = full ? `; the fullest limit is that of ${safe(full.group.name)}, ${formatPercent(full.full)}` : '';
  return `<b class="good">Nothing is short of memory.</b> ${formatBytes(available)} of ${formatBytes(total)} are available${near}.`;
}

function tiles({ total, available, swapTotal, swapFree, some, full }: NonNullable<State['machine']>): string {
  const share = (value: number | null) => (value === null ? 'unknown' : formatPercent(value));
  const rows: [string, string, string][] = [
    ['available', formatBytes(available), `of ${formatBytes(total)}`],
    [
      'swap free',
      swapTotal === 0 ? 'no swap' : formatBytes(swapFree),
      swapTotal === 0 ? '' : `of ${formatBytes(swapTotal)}`,
    ],
    ['some task stalled', share(some), 'of the last second'],
    ['all tasks stalled', share(full), 'of the last second'],
  ];
  return rows
    .map(
      ([name, value, more]) => `<div><dt>${name}</dt><dd><b>${value}</b> <span class="dim">${more}</span></dd></div>`,
    )
    .join('');
}

function hotTable(hot: readonly Hot[]): string {
  if (hot.length === 0) return '<p class="dim">No cgroup has a limit.</p>';
  const rows = hot.map(({ group, full, leftSeconds }) => {
    const { usage, limit, growth, path, name, kills } = group;
    const kind = full >= 0.9 ? 'free-low' : full >= 0.7 ? 'mark-low' : 'holder-bar';
    const grows = growth === null || Math.abs(growth) < 1024 ? '' : formatRate(growth);
    const left = leftSeconds === null || leftSeconds > 86_400 ? '' : `full in ${formatSpan(leftSeconds)}`;
    const killed = kills ? ` <span class="dim">${kills} OOM ${kills === 1 ? 'kill' : 'kills'}</span>` : '';
    return `<tr><th scope="row" class="name" title="${safe(path)}">${safe(name)}${killed}</th><td class="figure">${formatPercent(full)}</td><td class="chart">${shareBar(full, kind)}</td><td class="figure">${formatBytes(usage)} <span class="dim">of ${formatBytes(limit ?? 0)}</span></td><td class="figure">${grows}<br><span class="bad">${left}</span></td></tr>`;
  });
  return `<table class="hot-table"><thead><tr><th scope="col">cgroup</th><th scope="col" class="figure">full</th><td class="chart"></td><th scope="col" class="figure">in use</th><th scope="col" class="figure">growth</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function nextTable(next: State['next']): string {
  if (next.length === 0) return '<p class="dim">Not known.</p>';
  const rows = next.map(
    ({ pid, name, memory, adj, points }, i) =>
      `<tr><td class="figure dim">${i + 1}</td><th scope="row" class="name">${safe(name)} <span class="dim">${pid}</span></th><td class="figure">${formatBytes(memory)}</td><td class="figure">${adj}</td><td class="figure">${points}</td></tr>`,
  );
  return `<table><thead><tr><td></td><th scope="col">process</th><th scope="col" class="figure">memory</th><th scope="col" class="figure">oom_<wbr>score_<wbr>adj</th><th scope="col" class="figure">points of 1000</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

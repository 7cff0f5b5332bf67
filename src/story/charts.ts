/** The charts of a story as inline SVG: how usage and pressure went in the minute before a kill. */

import { escapeHtml } from '../explain/html/markup.ts';
import type { LeadUp, LeadUpSample } from '../model/pressure.ts';
import { formatBytes, formatPercent } from '../text/format.ts';

const WIDE = 1000;
const HIGH = 120;

interface Line {
  kind: string;
  values: readonly (number | null)[];
  /** Fill the area below. */
  area?: boolean;
}

/** A chart over the seconds before the kill. Values are shares of `most`. */
function chart(times: readonly number[], lines: readonly Line[], most: number, label: string, mark?: number): string {
  const begin = times[0] ?? 0;
  const span = (times.at(-1) ?? 0) - begin || 1;
  const x = (i: number) => ((((times[i] ?? 0) - begin) / span) * WIDE).toFixed(1);
  const y = (value: number) => (HIGH - 2 - Math.min(1, value / most) * (HIGH - 6)).toFixed(1);
  const paths = lines.map(({ kind, values, area }) => {
    const points = values.flatMap((value, i) => (value === null ? [] : [[x(i), y(value)] as const]));
    const path = points.map(([at, height], i) => `${i === 0 ? 'M' : 'L'}${at} ${height}`).join('');
    const [first, last] = [points[0], points.at(-1)];
    if (!first || !last) return '';
    const below = area ? `<path class="${kind} area" d="${path}L${last[0]} ${HIGH}L${first[0]} ${HIGH}Z"/>` : '';
    return `${below}<path class="${kind} line" vector-effect="non-scaling-stroke" d="${path}"/>`;
  });
  const limit =
    mark === undefined
      ? ''
      : `<path class="chart-limit line" vector-effect="non-scaling-stroke" d="M0 ${y(mark)}L${WIDE} ${y(mark)}"/>`;
  return `<svg class="chart-line" viewBox="0 0 ${WIDE} ${HIGH}" preserveAspectRatio="none" role="img" aria-label="${escapeHtml(label)}">${paths.join('')}${limit}</svg>`;
}

const figure = (svg: string, from: string, middle: string, to: string) =>
  `<figure>${svg}<figcaption><span>${from}</span><span>${middle}</span><span>${to}</span></figcaption></figure>`;

const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);

/** Usage and pressure in the minute before the kill. @param limitBytes the limit, drawn as a line; null: none */
export function leadUpCharts({ samples }: LeadUp, limitBytes: number | null): string {
  const times = samples.map(({ at_seconds }) => at_seconds);
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last) return '';
  const usage = samples.map(({ usage_bytes }) => usage_bytes);
  const most = Math.max(1, limitBytes ?? 0, ...known(usage));
  const from = `${Math.round(first.at_seconds)} s`;
  const to = last.at_seconds === 0 ? 'the kill' : `${last.at_seconds.toFixed(1)} s`;
  const [least, end] = [known(usage)[0] ?? 0, known(usage).at(-1) ?? 0];
  const limit = limitBytes === null ? '' : `, limit ${formatBytes(limitBytes)}`;
  const words = `usage from ${formatBytes(least)} to ${formatBytes(end)}${limit}`;
  const lines: Line[] = [{ kind: 'chart-usage', values: usage, area: true }];
  const usageChart = chart(times, lines, most, `Memory ${words}`, limitBytes ?? undefined);
  return figure(usageChart, from, words, to) + pressureChart(samples, times, from, to);
}

function pressureChart(samples: readonly LeadUpSample[], times: readonly number[], from: string, to: string): string {
  const some = samples.map((sample) => sample.some);
  const full = samples.map((sample) => sample.full);
  const peak = Math.max(0, ...known(some));
  if (peak === 0) return '';
  const worst = Math.max(0, ...known(full));
  const words = `stalled on memory, at most: some task ${formatPercent(peak)}, all tasks ${formatPercent(worst)} of the time`;
  const lines: Line[] = [
    { kind: 'chart-some', values: some, area: true },
    { kind: 'chart-full', values: full, area: true },
  ];
  return figure(chart(times, lines, 1, words), from, words, to);
}

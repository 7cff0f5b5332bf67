/** The charts that uPlot draws: the last minutes of the machine, and kills by day. */
import uPlot from 'uplot';
import type { Machine, Sum } from '../wire.ts';
import { byId, colour, type WebElement } from './browser.ts';

interface Chart {
  setData(data: (readonly (number | null)[])[]): void;
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
}

const HEIGHT = 180;

function draw(place: WebElement, options: object, data: (readonly (number | null)[])[]): Chart {
  const Plot = uPlot as unknown as new (options: object, data: unknown, place: unknown) => Chart;
  return new Plot(
    { width: Math.max(200, place.clientWidth), height: HEIGHT, cursor: { drag: { x: false } }, ...options },
    data,
    place,
  );
}

const axis = () => ({
  stroke: colour('dim'),
  grid: { stroke: colour('line'), width: 1 },
  ticks: { stroke: colour('line') },
});
const two = (value: number) => String(value).padStart(2, '0');
const clock = (_: unknown, seconds: number[]) =>
  seconds.map((each) => {
    const at = new Date(each * 1000);
    return `${two(at.getHours())}:${two(at.getMinutes())}${each % 60 === 0 ? '' : `:${two(at.getSeconds())}`}`;
  });
const percent = (_: unknown, values: (number | null)[]) => values.map((value) => (value === null ? '' : `${value} %`));

const line = (label: string, name: string) => ({
  ...{ label, stroke: colour(name), width: 2, points: { show: false }, spanGaps: true },
  value: (_: unknown, value: number | null) => (value === null ? '–' : `${value.toFixed(1)} %`),
});

/** Memory in use and the stalled share of time over the last minutes. */
export class PastChart {
  readonly #chart: Chart;
  readonly #place: WebElement;

  constructor(id: string, past: readonly Machine[]) {
    this.#place = byId(id);
    const options = {
      scales: {
        x: { range: (_: unknown, _least: number, last: number) => [last - 600, last] },
        y: { range: [0, 100] },
      },
      axes: [
        { ...axis(), values: clock },
        { ...axis(), values: percent, size: 55 },
      ],
      series: [
        { value: '{HH}:{mm}:{ss}' },
        line('memory in use', 'blue'),
        line('some task stalled', 'amber'),
        line('all tasks stalled', 'red'),
      ],
    };
    this.#chart = draw(this.#place, options, series(past));
  }

  update(past: readonly Machine[]): void {
    this.#chart.setData(series(past));
  }

  fit(): void {
    this.#chart.setSize({ width: Math.max(200, this.#place.clientWidth), height: HEIGHT });
  }

  destroy(): void {
    this.#chart.destroy();
  }
}

function series(past: readonly Machine[]): (number | null)[][] {
  const share = (value: number | null) => (value === null ? null : value * 100);
  return [
    past.map(({ timeMs }) => timeMs / 1000),
    past.map(({ total, available }) => (total === 0 ? null : (1 - available / total) * 100)),
    past.map(({ some }) => share(some)),
    past.map(({ full }) => share(full)),
  ];
}

const dates = (_: unknown, seconds: number[]) =>
  seconds.map((each) => {
    const at = new Date(each * 1000);
    return `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  });

/** Kills by day as bars. */
export function daysChart(id: string, sums: readonly Sum[]): { destroy(): void; fit(): void } {
  const place = byId(id);
  const days = sums.map(({ name }) => Date.parse(`${name}T00:00:00`) / 1000);
  const { paths } = uPlot as unknown as { paths: { bars(options: object): unknown } };
  const bars = paths.bars({ size: [0.7, 60] });
  const bar = (label: string, name: string) => ({
    label,
    stroke: colour(name),
    fill: colour(name),
    paths: bars,
    points: { show: false },
  });
  const count = ({ kernel, logged, other, signal }: Sum) => kernel + logged + other + signal;
  const day = 86_400;
  const options = {
    scales: {
      x: { range: [(days[0] ?? 0) - day / 2, (days.at(-1) ?? 0) + day / 2] },
      y: { range: (_: unknown, _least: number, most: number) => [0, Math.max(1, most)] },
    },
    axes: [
      { ...axis(), values: dates, incrs: [day, 7 * day, 30 * day] },
      { ...axis(), size: 45, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000, 100_000] },
    ],
    // The bars of the guard are those of all kills, behind the others: so they stand on top of each other.
    series: [
      { value: '{YYYY}-{MM}-{DD}' },
      {
        ...bar('killed by the guard', 'amber'),
        value: (_: unknown, _all: unknown, _series: unknown, i: number | null) =>
          i === null ? '–' : (sums[i]?.guard ?? 0),
      },
      { ...bar('killed by others', 'red'), value: (_: unknown, count: number | null) => count ?? '–' },
    ],
  };
  const chart = draw(place, options, [days, sums.map((sum) => count(sum) + sum.guard), sums.map(count)]);
  return {
    destroy: () => chart.destroy(),
    fit: () => chart.setSize({ width: Math.max(200, place.clientWidth), height: HEIGHT }),
  };
}

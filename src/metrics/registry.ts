/** The values of the metrics. The number of time series is limited, whatever names containers and units have. */
import { printable } from '../text/printable.ts';
import { type Family, type FamilyKey, families, ownerLabels } from './families.ts';

/** Most series of one metric. Further ones are counted in one series with the owner "other". */
const MOST_SERIES = 2_000;
/** Longest value of a label, in characters. */
const MOST_LABEL = 128;
const OTHER = 'other';

/** What an exemplar of OpenMetrics refers to: the event that was counted last. */
export interface Exemplar {
  eventId: string;
  value: number;
  atMs: number;
}

export interface Series {
  /** The labels as they are written: `{scope="container",kind="killed"}`, or empty. */
  readonly text: string;
  /** The same without the closing brace, for `le`. */
  value: number;
  /** When the series was created (ms since 1970). */
  readonly createdMs: number;
  exemplar: Exemplar | undefined;
  /** For a histogram: counts of each bucket (not cumulative, the last one above all bounds), and their exemplars. */
  readonly buckets: number[] | undefined;
  readonly exemplars: (Exemplar | undefined)[] | undefined;
  sum: number;
}

/** Values of labels by their names. Missing and empty ones are left out. */
export type Labels = Readonly<Record<string, string | undefined>>;

export class Registry {
  readonly #values = new Map<FamilyKey, Map<string, Series>>();
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Adds to a counter. @param eventId the event that is counted */
  add(key: FamilyKey, labels: Labels = {}, amount = 1, eventId?: string): void {
    const series = this.#series(key, labels);
    series.value += amount;
    if (eventId !== undefined) series.exemplar = { eventId, value: amount, atMs: this.#now() };
  }

  /** Sets a gauge, or a counter whose total is known. */
  set(key: FamilyKey, value: number, labels: Labels = {}): void {
    this.#series(key, labels).value = value;
  }

  /** Adds a measurement to a histogram. */
  observe(key: FamilyKey, value: number, labels: Labels, eventId: string): void {
    const series = this.#series(key, labels);
    const { buckets, exemplars } = series;
    if (!buckets || !exemplars) throw new Error(`${key} is no histogram`);
    const bounds = (families[key] as Family).buckets ?? [];
    const found = bounds.findIndex((bound) => value <= bound);
    const at = found < 0 ? bounds.length : found;
    buckets[at] = (buckets[at] ?? 0) + 1;
    exemplars[at] = { eventId, value, atMs: this.#now() };
    series.value++;
    series.sum += value;
  }

  /** Creates the series with the value 0, so that its first increase can be seen. */
  begin(key: FamilyKey, labels: Labels = {}): void {
    this.#series(key, labels);
  }

  /** Removes all series of a metric. */
  clear(key: FamilyKey): void {
    this.#values.delete(key);
  }

  /** The metrics that have series, in the order of the table. */
  *entries(): Generator<[Family, Iterable<Series>]> {
    for (const key of Object.keys(families) as FamilyKey[]) {
      const series = this.#values.get(key);
      if (series && series.size > 0) yield [families[key], series.values()];
    }
  }

  /** The number of all series. */
  get size(): number {
    return [...this.#values.values()].reduce((sum, { size }) => sum + size, 0);
  }

  #series(key: FamilyKey, labels: Labels): Series {
    const family: Family = families[key];
    const all = this.#values.get(key) ?? new Map<string, Series>();
    this.#values.set(key, all);
    const text = textOf(family, labels);
    const known = all.get(text);
    if (known) return known;
    if (all.size < MOST_SERIES || labels.workload === OTHER) return this.#create(family, all, text);
    if (key !== 'overflow') this.add('overflow', { metric: sampleName(family) });
    const few = Object.fromEntries(family.labels.map((name) => [name, family.owned ? labels[name] : OTHER]));
    return this.#series(key, { ...few, workload: OTHER });
  }

  #create({ buckets }: Family, all: Map<string, Series>, text: string): Series {
    const series: Series = {
      ...{ text, value: 0, createdMs: this.#now(), exemplar: undefined, sum: 0 },
      buckets: buckets && new Array<number>(buckets.length + 1).fill(0),
      exemplars: buckets && new Array<undefined>(buckets.length + 1).fill(undefined),
    };
    all.set(text, series);
    return series;
  }
}

/** The name of a counter's sample; the name of the metric otherwise. */
export const sampleName = ({ name, type }: Family): string => (type === 'counter' ? `${name}_total` : name);

function textOf({ labels: names, owned }: Family, labels: Labels): string {
  let text = '';
  for (const name of names) text = withLabel(text, name, labels[name]);
  if (owned) for (const name of ownerLabels) text = withLabel(text, name, labels[name]);
  return text === '' ? '' : `{${text}}`;
}

function withLabel(text: string, name: string, value: string | undefined): string {
  if (value === undefined || value === '') return text;
  return `${text}${text === '' ? '' : ','}${name}="${escaped(value)}"`;
}

/** Names of containers and units come from users: control characters would break lines, and a long name is a burden. */
function escaped(value: string): string {
  if (/^[\w./:@ <=>%-]{1,128}$/.test(value)) return value;
  return printable(value.slice(0, MOST_LABEL)).toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

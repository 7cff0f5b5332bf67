/** Writes the metrics in the text format of Prometheus, 0.0.4, or of OpenMetrics, 1.0. */
import type { Family } from './families.ts';
import type { Exemplar, Registry, Series } from './registry.ts';

export type TextFormat = 'prometheus' | 'openmetrics';

/** The Content-Type of each format. */
export const contentTypes: Record<TextFormat, string> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The format that the header Accept prefers. Without a preference: Prometheus. */
export function formatFor(accept = ''): TextFormat {
  let best = { format: 'prometheus' as TextFormat, quality: 0 };
  for (const part of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map((each) => each.trim());
    const version = parameters.find((each) => each.startsWith('version='))?.slice('version='.length);
    const given = Number(parameters.find((each) => each.startsWith('q='))?.slice(2) ?? 1);
    const quality = given >= 0 && given <= 1 ? given : 0;
    const isOpen =
      type === 'application/openmetrics-text' && (version === undefined || /^[01]\.0\.[01]$/.test(version));
    const isText = type === 'text/plain' || type === 'text/*' || type === '*/*';
    if ((isOpen || isText) && quality > best.quality) best = { format: isOpen ? 'openmetrics' : 'prometheus', quality };
  }
  return best.format;
}

/** The whole text. */
export function exposition(registry: Registry, format: TextFormat): string {
  const lines: string[] = [];
  for (const [family, series] of registry.entries()) writeFamily(lines, family, series, format === 'openmetrics');
  if (format === 'openmetrics') lines.push('# EOF');
  lines.push('');
  return lines.join('\n');
}

function writeFamily(lines: string[], family: Family, all: Iterable<Series>, open: boolean): void {
  const { name, type, help, unit } = family;
  const shown = type === 'counter' && !open ? `${name}_total` : name;
  lines.push(`# HELP ${shown} ${help.replaceAll('\\', '\\\\')}`, `# TYPE ${shown} ${type}`);
  if (open && unit !== undefined && name.endsWith(`_${unit}`)) lines.push(`# UNIT ${shown} ${unit}`);
  for (const series of all) {
    if (type === 'histogram') writeHistogram(lines, family, series, open);
    else if (type === 'gauge') lines.push(`${name}${series.text} ${numberText(series.value)}`);
    else
      lines.push(`${name}_total${series.text} ${numberText(series.value)}${open ? exemplarText(series.exemplar) : ''}`);
    if (open && type !== 'gauge' && !family.sinceBoot)
      lines.push(`${name}_created${series.text} ${secondsText(series.createdMs)}`);
  }
}

function writeHistogram(lines: string[], { name, buckets = [] }: Family, series: Series, open: boolean): void {
  const begin = series.text === '' ? '{' : `${series.text.slice(0, -1)},`;
  let count = 0;
  for (const [at, own] of (series.buckets ?? []).entries()) {
    count += own;
    const bound = buckets[at] === undefined ? '+Inf' : open ? floatText(buckets[at]) : String(buckets[at]);
    const exemplar = open ? exemplarText(series.exemplars?.[at]) : '';
    lines.push(`${name}_bucket${begin}le="${bound}"} ${count}${exemplar}`);
  }
  lines.push(`${name}_sum${series.text} ${numberText(series.sum)}`, `${name}_count${series.text} ${series.value}`);
}

const numberText = (value: number) => (Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : 'NaN');
const floatText = (value: number) => (Number.isInteger(value) ? `${value}.0` : String(value));
const secondsText = (ms: number) => (ms / 1000).toFixed(3);

function exemplarText(exemplar: Exemplar | undefined): string {
  if (!exemplar) return '';
  return ` # {event_id="${exemplar.eventId}"} ${numberText(exemplar.value)} ${secondsText(exemplar.atMs)}`;
}

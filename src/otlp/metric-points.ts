/** The metrics as OTLP: cumulative sums, gauges and histograms. */
import type { Family } from '../metrics/families.ts';
import type { Exemplar, Registry, Series } from '../metrics/registry.ts';
import { attributesOf } from './attributes.ts';

const CUMULATIVE = 2;
const units = { seconds: 's', bytes: 'By' } as const;

/**
 * The metrics in the form of OTLP's JSON. A receiver that makes names of Prometheus from them makes those of /metrics, so that
 * the same rules and the same dashboard fit.
 */
export function metricsOf(registry: Registry, nowMs: number): object[] {
  return [...registry.entries()].map(([family, series]) => metricOf(family, [...series], nowMs));
}

function metricOf(family: Family, series: readonly Series[], nowMs: number): object {
  const { name, help, unit, type, buckets = [] } = family;
  const about = { name: name.replace('_', '.'), description: help, ...(unit && { unit: units[unit] }) };
  const timeUnixNano = nano(nowMs);
  const start = ({ createdMs }: Series) => (family.sinceBoot ? {} : { startTimeUnixNano: nano(createdMs) });
  if (type === 'histogram') {
    const dataPoints = series.map((one) => ({
      ...{ ...start(one), timeUnixNano, count: String(one.value), sum: one.sum },
      ...{ bucketCounts: (one.buckets ?? []).map(String), explicitBounds: buckets, attributes: labelsOf(one) },
      exemplars: (one.exemplars ?? []).flatMap((each) => exemplarsOf(each)),
    }));
    return { ...about, histogram: { dataPoints, aggregationTemporality: CUMULATIVE } };
  }
  const dataPoints = series.map((one) => ({
    ...(type === 'counter' && start(one)),
    ...{ timeUnixNano, asDouble: one.value, attributes: labelsOf(one), exemplars: exemplarsOf(one.exemplar) },
  }));
  if (type === 'gauge') return { ...about, gauge: { dataPoints } };
  return { ...about, sum: { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true } };
}

function exemplarsOf(exemplar: Exemplar | undefined): object[] {
  if (!exemplar) return [];
  const { eventId, value, atMs } = exemplar;
  return [{ timeUnixNano: nano(atMs), asDouble: value, filteredAttributes: attributesOf({ event_id: eventId }) }];
}

/** The labels from the text of the series, which the registry has checked and escaped. */
function labelsOf({ text }: Series): object[] {
  const labels = [...text.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = '', value = '']) => [
    name,
    value.replace(/\\(.)/g, '$1'),
  ]);
  return attributesOf(Object.fromEntries(labels));
}

const nano = (ms: number) => String(BigInt(Math.round(ms * 1000)) * 1000n);

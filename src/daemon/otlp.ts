/** Sends the events and the metrics of a daemon to a receiver of OpenTelemetry. */
import { type OtlpConfig, otlpOptions } from '../config/otlp.ts';
import { Metrics, type MetricsSources } from '../metrics/metrics.ts';
import type { Event } from '../model/events.ts';
import { OtlpExporter } from '../otlp/exporter.ts';

/**
 * @param served the metrics that the daemon has already; undefined: if metrics are to be sent, they are counted here
 * @throws OomscopeError USAGE: the headers cannot be read, or the spool cannot be used
 */
export function openOtlp(
  config: OtlpConfig,
  served: Metrics | undefined,
  { sources, tell }: { sources: MetricsSources; tell: (note: string) => void },
) {
  const own = served || !config.metrics ? undefined : new Metrics({ sources });
  const exporter = new OtlpExporter(otlpOptions(config), served ?? own, tell);
  return {
    start: () => {
      own?.start();
      exporter.start();
    },
    take: (event: Event) => {
      own?.take(event);
      exporter.take(event);
    },
    close: async () => {
      await exporter.close();
      await own?.close();
    },
  };
}

/** Serves the metrics at /metrics. */
import type { Listener } from '../http/listener.ts';
import { contentTypes, formatFor } from './exposition.ts';
import type { Metrics } from './metrics.ts';

/** @param access `token`: a scrape must send the listener's token, as Prometheus does with `authorization` */
export function serveMetrics(listener: Listener, metrics: Metrics, access: 'open' | 'token'): void {
  listener.add({
    path: '/metrics',
    access,
    reply: ({ headers }) => {
      const format = formatFor(headers.accept);
      return { type: contentTypes[format], body: metrics.text(format), headers: { Vary: 'Accept' } };
    },
  });
}

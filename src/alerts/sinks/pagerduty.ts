/** Sends events to PagerDuty, or to a program with the same interface: Events API v2. */
import type { Alert } from '../../model/alert.ts';
import { OomscopeError } from '../../model/error.ts';
import type { Severity } from '../../model/severity.ts';
import { printable } from '../../text/printable.ts';
import { parseUrl, post, publicUrl } from './http.ts';
import type { Sink } from './sink.ts';

export interface PagerdutyOptions {
  /** https://events.pagerduty.com/v2/enqueue, or https://events.eu.pagerduty.com/v2/enqueue for an account in the EU. */
  url: string;
  /** The integration key of the service. */
  routingKey?: string;
  timeoutMs?: number;
}

/** The limits of the interface, in characters. */
const MOST_SUMMARY = 1024;
const MOST_KEY = 255;
const severities: Record<Severity, string> = { info: 'info', warning: 'warning', critical: 'critical' };

/** @throws OomscopeError USAGE: no URL, or no key */
export function pagerduty({ url: text, routingKey, timeoutMs = 10_000 }: PagerdutyOptions): Sink {
  const url = parseUrl(text, 'pagerduty');
  if (routingKey === undefined)
    throw new OomscopeError(
      'USAGE',
      'pagerduty: expected the integration key of the service, as routing-key-file=PATH or routing-key-env=NAME.',
    );
  return {
    name: `pagerduty ${publicUrl(url)}`,
    timeoutMs,
    deliver(alert, signal) {
      const body = JSON.stringify({ routing_key: routingKey, ...pagerdutyEvent(alert) });
      return post({ url, headers: { 'content-type': 'application/json' }, body, signal, secrets: [routingKey] });
    },
  };
}

/**
 * An alert triggers an incident, and its end resolves the incident with the same key. An alert about one moment, such as
 * a kill, has no end: its incident stays until a person resolves it.
 */
export function pagerdutyEvent({ key, status, severity, name, title, message, labels, starts_at, id }: Alert) {
  const dedup_key = shortKey(key);
  if (status === 'resolved') return { event_action: 'resolve', dedup_key };
  return {
    event_action: 'trigger',
    dedup_key,
    payload: {
      summary: `${printable(title)}: ${printable(message)}`.slice(0, MOST_SUMMARY).toWellFormed(),
      source: printable(labels.node ?? 'oomscope'),
      severity: severities[severity],
      timestamp: starts_at,
      component: printable(labels.container ?? labels.unit ?? labels.cgroup ?? ''),
      class: name,
      custom_details: { ...printableValues(labels), alert_id: id },
    },
  };
}

/** A key has the path of a cgroup, which may be longer than the limit: the end of such a key is a hash of the whole. */
function shortKey(key: string): string {
  if (key.length <= MOST_KEY) return key;
  const { createHash } = process.getBuiltinModule('node:crypto');
  const hash = createHash('sha256').update(key).digest('hex');
  return `${key.slice(0, MOST_KEY - hash.length - 1).toWellFormed()} ${hash}`;
}

const printableValues = (labels: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, printable(value)]));

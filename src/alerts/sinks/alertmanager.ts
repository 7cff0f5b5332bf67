/**
 * Prometheus Alertmanager, API v2. It forgets what is not said again, so what fires is re-sent, with an end that lies a few
 * re-sends ahead: should oomscope die, the alert ends by itself. What is resolved is re-sent for five minutes.
 */
import type { Alert } from '../../model/alert.ts';
import type { Receipt } from '../../model/receipt.ts';
import { parseUrl, post, publicUrl } from './http.ts';
import type { Sink } from './sink.ts';

export interface AlertmanagerOptions {
  /** As the browser has it; `/api/v2/alerts` is added. */
  url: string;
  /** Sent as `Authorization: Bearer`. */
  token?: string;
  timeoutMs?: number;
  /** Default 60,000. */
  resendMs?: number;
  /** How long a moment, such as a kill, keeps firing; and how long the end of a story is re-sent. Default 300,000. */
  lingerMs?: number;
}

/** Alerts that are re-sent; past that the oldest is not. */
const MOST = 1_000;

interface Told {
  alert: Alert;
  /** When it ended or will, undefined while nobody knows. */
  endsMs: number | undefined;
  forgetMs: number;
}

export function alertmanager(options: AlertmanagerOptions): Sink {
  const { url: text, token, timeoutMs = 10_000, resendMs = 60_000, lingerMs = 300_000 } = options;
  const base = parseUrl(text, 'alertmanager');
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}/api/v2/alerts`;
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  /** By labels, which is what Alertmanager tells alerts apart by. */
  const told = new Map<string, Told>();

  function remember(alert: Alert, nowMs: number): void {
    const labels = fingerprint(alert);
    // A story that got worse has another severity, so other labels: under the old ones it is over.
    for (const [old, { alert: before }] of told) {
      if (before.key === alert.key && old !== labels && !before.momentary) end(before, nowMs);
    }
    if (alert.status === 'resolved') end(alert, Date.parse(alert.ends_at ?? '') || nowMs);
    else {
      const endsMs = alert.momentary ? nowMs + lingerMs : undefined;
      told.delete(labels);
      told.set(labels, { alert, endsMs, forgetMs: endsMs ?? Number.POSITIVE_INFINITY });
    }
    if (told.size > MOST) told.delete(told.keys().next().value as string);
  }

  function end(alert: Alert, atMs: number): void {
    told.set(fingerprint(alert), { alert, endsMs: atMs, forgetMs: Date.now() + lingerMs });
  }

  async function send(signal: AbortSignal): Promise<Receipt> {
    const nowMs = Date.now();
    for (const [labels, { forgetMs }] of told) if (forgetMs < nowMs) told.delete(labels);
    if (told.size === 0) return { outcome: 'delivered', reply: 'nothing to say' };
    const alerts = [...told.values()].map(({ alert, endsMs }) => ({
      labels: alert.labels,
      annotations: { summary: alert.title, description: alert.message },
      startsAt: alert.starts_at,
      // An end before the start is refused, and the clock may have been set back in between.
      endsAt: new Date(Math.max(endsMs ?? nowMs + 4 * resendMs, Date.parse(alert.starts_at))).toISOString(),
    }));
    return post({ url, headers, body: JSON.stringify(alerts), signal });
  }

  return {
    name: `alertmanager ${publicUrl(base)}`,
    timeoutMs,
    deliver(alert, signal) {
      remember(alert, Date.now());
      return send(signal);
    },
    refresh: { everyMs: resendMs, run: send },
  };
}

const fingerprint = ({ labels }: Alert) => JSON.stringify(Object.entries(labels).sort());

/**
 * Prometheus Alertmanager, API v2. It forgets an alert that is not repeated, so firing alerts are re-sent. Each
 * alert carries an end time four intervals ahead, so the alert ends without a further message if oomscope dies.
 * Resolved alerts are re-sent for five minutes.
 */
import type { Alert } from '../../model/alert.ts';
import type { Receipt } from '../../model/receipt.ts';
import { parseUrl, post, publicUrl } from './http.ts';
import type { Sink } from './sink.ts';

export interface AlertmanagerOptions {
  /** URL of its web page; `/api/v2/alerts` is appended. */
  url: string;
  /** Sent as `Authorization: Bearer`. */
  token?: string;
  timeoutMs?: number;
  /** Interval of re-sends. Default 60,000. */
  resendMs?: number;
  /** How long a momentary alert, such as a kill, keeps firing, and how long an end is re-sent. Default 300,000. */
  lingerMs?: number;
}

/** Largest number of re-sent alerts; the oldest is forgotten first. */
const MOST = 1_000;

interface Sent {
  alert: Alert;
  /** When the alert ended or will end; undefined while that is unknown. */
  endsMs: number | undefined;
  /** When the alert is no longer re-sent. */
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
  /** The re-sent alerts by their labels, by which Alertmanager identifies an alert. */
  const sent = new Map<string, Sent>();

  function remember(alert: Alert, nowMs: number): void {
    const labels = fingerprint(alert);
    // The severity is a label. When an episode gets worse, the alert with the old severity must be resolved.
    for (const [old, { alert: before }] of sent) {
      if (before.key === alert.key && old !== labels && !before.momentary) end(before, nowMs);
    }
    if (alert.status === 'resolved') end(alert, Date.parse(alert.ends_at ?? '') || nowMs);
    else {
      const endsMs = alert.momentary ? nowMs + lingerMs : undefined;
      sent.delete(labels);
      sent.set(labels, { alert, endsMs, forgetMs: endsMs ?? Number.POSITIVE_INFINITY });
    }
    if (sent.size > MOST) sent.delete(sent.keys().next().value as string);
  }

  function end(alert: Alert, atMs: number): void {
    sent.set(fingerprint(alert), { alert, endsMs: atMs, forgetMs: Date.now() + lingerMs });
  }

  async function send(signal: AbortSignal): Promise<Receipt> {
    const nowMs = Date.now();
    for (const [labels, { forgetMs }] of sent) if (forgetMs < nowMs) sent.delete(labels);
    if (sent.size === 0) return { outcome: 'delivered', reply: 'nothing to send' };
    const alerts = [...sent.values()].map(({ alert, endsMs }) => ({
      labels: alert.labels,
      annotations: { summary: alert.title, description: alert.message },
      startsAt: alert.starts_at,
      // If the clock was set back, the end would be before the start, which Alertmanager refuses.
      endsAt: new Date(Math.max(endsMs ?? nowMs + 4 * resendMs, Date.parse(alert.starts_at))).toISOString(),
    }));
    return post({ url, headers, body: JSON.stringify(alerts), signal, secrets: [token] });
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

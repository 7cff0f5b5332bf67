/**
 * Removes duplicates. An episode is everything that has the same `key`: one stretch of memory pressure, one kill. A sink
 * gets its first alert, each later one that is more severe, and its end.
 */
import type { Alert } from '../model/alert.ts';
import { type Severity, severities } from '../model/severity.ts';

/** Limit of remembered episodes; the oldest is forgotten first. */
const MOST = 10_000;

/** The alert that was sent last about an episode. */
interface Sent {
  severity: Severity;
  startsAt: string;
  atMs: number;
}

export class Episodes {
  readonly #sent = new Map<string, Sent>();
  /** Less severe alerts are not sent. */
  minimum: Severity;
  readonly #repeatMs: number;

  /** @param repeatMs shortest interval between two momentary alerts of the same key, such as lost events */
  constructor(minimum: Severity = 'info', repeatMs = 300_000) {
    this.minimum = minimum;
    this.#repeatMs = repeatMs;
  }

  /** The alert to send; undefined: nothing new. An end is sent only if the beginning was. */
  next(alert: Alert, nowMs: number): Alert | undefined {
    const sent = this.#sent.get(alert.key);
    if (alert.status === 'resolved') {
      if (!sent) return undefined;
      this.#sent.delete(alert.key);
      // Resolve with the severity that was sent last: receivers that match on labels must find the same alert.
      const { severity, startsAt } = sent;
      return { ...alert, severity, labels: { ...alert.labels, severity }, starts_at: startsAt };
    }
    if (severities.indexOf(alert.severity) < severities.indexOf(this.minimum)) return undefined;
    const known = sent && (!alert.momentary || nowMs - sent.atMs < this.#repeatMs);
    if (known && severities.indexOf(alert.severity) <= severities.indexOf(sent.severity)) return undefined;
    const startsAt = sent && !alert.momentary ? sent.startsAt : alert.starts_at;
    this.#sent.delete(alert.key);
    this.#sent.set(alert.key, { severity: alert.severity, startsAt, atMs: nowMs });
    if (this.#sent.size > MOST) this.#sent.delete(this.#sent.keys().next().value as string);
    return { ...alert, starts_at: startsAt };
  }
}

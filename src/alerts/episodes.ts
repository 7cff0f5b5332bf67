/**
 * Removes duplicate alerts. An episode is all alerts with the same `key`, for instance of one period of memory pressure
 * or of one kill. A sink gets the first alert of an episode, each later one that is more severe, and the end.
 */
import type { Alert } from '../model/alert.ts';
import { type Severity, severities } from '../model/severity.ts';

/** Largest number of remembered episodes; the oldest is forgotten first. */
const MOST = 10_000;

/** The last alert that was sent about an episode. */
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

  /**
   * Returns the alert to send; undefined when it is a duplicate. The end of an episode is sent only if its beginning
   * was sent.
   */
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

/**
 * De-duplication: one story is told once, again when it gets worse, and when it ends.
 */
import { type Alert, type AlertSeverity, severities } from '../model/alert.ts';

/** So many stories are remembered; past that the oldest is forgotten. */
const MOST = 10_000;

interface Told {
  severity: AlertSeverity;
  startsAt: string;
  atMs: number;
}

export class Episodes {
  readonly #told = new Map<string, Told>();
  readonly #minimum: number;
  readonly #repeatMs: number;

  /** @param repeatMs a moment of the same key (events lost, again) is told at most this often */
  constructor(minimum: AlertSeverity = 'info', repeatMs = 300_000) {
    this.#minimum = severities.indexOf(minimum);
    this.#repeatMs = repeatMs;
  }

  /** What to tell; undefined: nothing new. An end is told when, and only when, the beginning was. */
  next(alert: Alert, nowMs: number): Alert | undefined {
    const told = this.#told.get(alert.key);
    if (alert.status === 'resolved') {
      if (!told) return undefined;
      this.#told.delete(alert.key);
      // It ends as what it was told as: whoever matches by labels must find it.
      const { severity, startsAt } = told;
      return { ...alert, severity, labels: { ...alert.labels, severity }, starts_at: startsAt };
    }
    if (severities.indexOf(alert.severity) < this.#minimum) return undefined;
    const known = told && (!alert.momentary || nowMs - told.atMs < this.#repeatMs);
    if (known && severities.indexOf(alert.severity) <= severities.indexOf(told.severity)) return undefined;
    const startsAt = told && !alert.momentary ? told.startsAt : alert.starts_at;
    this.#told.delete(alert.key);
    this.#told.set(alert.key, { severity: alert.severity, startsAt, atMs: nowMs });
    if (this.#told.size > MOST) this.#told.delete(this.#told.keys().next().value as string);
    return { ...alert, starts_at: startsAt };
  }
}

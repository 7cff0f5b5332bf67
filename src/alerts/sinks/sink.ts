/**
 * A sink delivers one alert at a time to one receiver and returns the outcome. Queue, retries, pace, timeouts and counts
 * are the same for all sinks and belong to the lane (lane.ts).
 */
import type { Alert } from '../../model/alert.ts';
import type { Receipt } from '../../model/receipt.ts';

/** Delivers alerts to one receiver. */
export interface Sink {
  /** For messages, without secrets: "webhook https://hooks.example.org/…". */
  readonly name: string;
  /** Shortest interval between two deliveries. Default 0. */
  readonly everyMs?: number;
  /** Timeout of one delivery. Default 10,000. */
  readonly timeoutMs?: number;
  /** Called for one alert at a time, in order. `signal` aborts at the timeout and on close(). */
  deliver(alert: Alert, signal: AbortSignal): Promise<Receipt>;
  /** Delivers several alerts as one message, at most `most`. Without it, alerts are delivered one by one. */
  readonly digest?: { most: number; deliver: (alerts: readonly Alert[], signal: AbortSignal) => Promise<Receipt> };
  /** Repeats alerts that are still firing, for receivers that forget an alert unless it is repeated. */
  readonly refresh?: { everyMs: number; run: (signal: AbortSignal) => Promise<Receipt> };
  /** Called once, after the last delivery. */
  close?(): Promise<void>;
}

/**
 * Where alerts go. A sink delivers one alert at a time and says how it went; queue, retries, pace, time limit and
 * counting are the lane's, the same for all (lane.ts).
 */
import type { Alert } from '../../model/alert.ts';
import type { Receipt } from '../../model/receipt.ts';

export interface Sink {
  /** For people, without secrets: "webhook https://hooks.example.org/…". */
  readonly name: string;
  /** Least time between two alerts. Default 0. */
  readonly everyMs?: number;
  /** Most time for one alert. Default 10,000. */
  readonly timeoutMs?: number;
  /** Called for one alert at a time, in order. `signal` fires when the time is up or all is closed. */
  deliver(alert: Alert, signal: AbortSignal): Promise<Receipt>;
  /** What has to be said again and again, for receivers that forget what they do not hear. */
  readonly refresh?: { everyMs: number; run: (signal: AbortSignal) => Promise<Receipt> };
  close?(): Promise<void>;
}

/** The result of one attempt to deliver an alert. */
export interface Receipt {
  /**
   * - `delivered`: the receiver has the alert.
   * - `retry`: the receiver is down, busy, or out of space. The next attempt may succeed.
   * - `refused`: the receiver does not accept this alert. Another attempt would fail as well.
   */
  outcome: 'delivered' | 'retry' | 'refused';
  /** The answer of the receiver, or the error. Safe to print. */
  reply: string;
  /** The minimum time before the next attempt, in milliseconds, if the receiver asked for one. */
  retryAfterMs?: number;
}

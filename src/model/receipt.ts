/** What came of one attempt. */
export interface Receipt {
  /**
   * - `delivered`: the other side has it.
   * - `retry`: not now: down, busy, out of space.
   * - `refused`: not like this; again would be in vain.
   */
  outcome: 'delivered' | 'retry' | 'refused';
  /** What came back, or what went wrong. Safe to print. */
  reply: string;
  /** The other side asked for at least this much patience. */
  retryAfterMs?: number;
}

/** Raises oom_score_adj values of processes for a while, and restores them. */
import { OomscopeError } from '../model/error.ts';
import { ScoreAdjFile } from './oom-score-adj-file.ts';
import type { ProcessIdentity } from './process-handle.ts';
import { processKey, type Undone } from './undo-entry.ts';
import type { UndoLedger } from './undo-ledger.ts';

const keyOf = ({ pid, startTicks }: ProcessIdentity) => processKey(pid, startTicks);

export class RaisedScores {
  readonly #ledger: UndoLedger;
  /** How many raise() calls of a process have not been restored. */
  readonly #holders = new Map<string, number>();

  constructor(ledger: UndoLedger) {
    this.#ledger = ledger;
  }

  /**
   * Never lowers a value. A process may be raised again while it is: it is restored when each call has been.
   *
   * @returns false: the value was as high already, or the process has exited
   * @throws OomscopeError NOT_PERMITTED, OUTPUT
   */
  raise(identity: ProcessIdentity, to: number): boolean {
    const key = keyOf(identity);
    const holders = this.#holders.get(key) ?? 0;
    try {
      using file = ScoreAdjFile.open(identity);
      const now = file.read();
      if (now >= to && holders === 0) return false;
      if (now < to) this.#write(file, identity, now, to);
    } catch (error) {
      if (error instanceof OomscopeError && error.code === 'PROCESS_GONE') return false;
      throw error;
    }
    this.#holders.set(key, holders + 1);
    return true;
  }

  /** Ends one raise(). @returns undefined: it was not raised, or another raise() holds it. Never throws */
  restore(identity: ProcessIdentity): Undone | undefined {
    const key = keyOf(identity);
    const holders = this.#holders.get(key) ?? 0;
    if (holders > 1) this.#holders.set(key, holders - 1);
    else this.#holders.delete(key);
    return holders === 1 ? this.#ledger.undo(key) : undefined;
  }

  restoreAll(): Undone[] {
    const keys = [...this.#holders.keys()];
    this.#holders.clear();
    return keys.flatMap((key) => this.#ledger.undo(key) ?? []);
  }

  #write(file: ScoreAdjFile, { pid, startTicks }: ProcessIdentity, now: number, to: number): void {
    const change = { kind: 'oom_score_adj' as const, pid, start_ticks: startTicks, by: 'guard' };
    this.#ledger.record([{ ...change, before: String(now), written: String(to) }]);
    try {
      file.write(to);
    } catch (error) {
      this.#ledger.undo(keyOf({ pid, startTicks }));
      throw error;
    }
  }
}

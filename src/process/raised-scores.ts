/** Raises the oom_score_adj of processes temporarily, and restores it. */
import { processFiles, uptimeTicks } from '../linux/process-reader.ts';
import { OomscopeError } from '../model/error.ts';
import { processAncestors } from './ancestors.ts';
import { ScoreAdjFile } from './oom-score-adj-file.ts';
import type { ProcessIdentity } from './process-handle.ts';
import { processKey, type Undone } from './undo-entry.ts';
import type { UndoLedger } from './undo-ledger.ts';

const keyOf = ({ pid, startTicks }: ProcessIdentity) => processKey(pid, startTicks);

export class RaisedScores {
  readonly #ledger: UndoLedger;
  /** For each process, the number of raise() calls without a matching restore(). */
  readonly #holders = new Map<string, number>();

  constructor(ledger: UndoLedger) {
    this.#ledger = ledger;
  }

  /**
   * Raises the value of a process, and never lowers it. raise() may be called several times for a process; the last
   * matching restore() restores the value.
   *
   * @param heirs `another`: what inherits the raised value is found by the raise() of another process of its process group
   * @returns false: the value was already as high, or the process has exited
   * @throws OomscopeError NOT_PERMITTED, OUTPUT
   */
  raise(identity: ProcessIdentity, to: number, heirs?: 'another'): boolean {
    const key = keyOf(identity);
    const holders = this.#holders.get(key) ?? 0;
    try {
      using file = ScoreAdjFile.open(identity);
      const now = file.read();
      if (now >= to && holders === 0) return false;
      if (now < to) this.#write(file, identity, { now, to, heirs });
    } catch (error) {
      if (error instanceof OomscopeError && error.code === 'PROCESS_GONE') return false;
      throw error;
    }
    this.#holders.set(key, holders + 1);
    return true;
  }

  /**
   * Reverts one raise(). Never throws. @returns undefined: the value was not raised, or another raise() still needs it
   */
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

  #write(
    file: ScoreAdjFile,
    { pid, startTicks }: ProcessIdentity,
    { now, to, heirs }: { now: number; to: number; heirs: 'another' | undefined },
  ): void {
    const change = { kind: 'oom_score_adj' as const, pid, start_ticks: startTicks, by: 'guard' };
    const found = heirs === undefined && whereHeirsAre(pid);
    this.#ledger.record([{ ...change, ...found, before: String(now), written: String(to) }]);
    try {
      file.write(to);
    } catch (error) {
      this.#ledger.undo(keyOf({ pid, startTicks }));
      throw error;
    }
  }
}

/** What restoreHeirs() needs to know of a process, as it is before the change. */
function whereHeirsAre(pid: number) {
  const pgid = processFiles.stat(`/proc/${pid}`)?.pgid;
  const cgroup = processFiles.cgroup(`/proc/${pid}`)?.cgroup ?? undefined;
  const ancestors = [...processAncestors(pid)].filter((each) => each !== pid);
  return { at_ticks: uptimeTicks(), ancestors, ...(pgid !== undefined && { pgid }), ...(cgroup && { cgroup }) };
}

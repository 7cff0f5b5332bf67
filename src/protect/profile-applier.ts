/** Applies profiles to each process when it executes a program. */
import { OomscopeError } from '../model/error.ts';
import { type Exec, ExecStream } from '../process/exec-stream.ts';
import type { UndoLedger } from '../process/undo-ledger.ts';
import { type Applied, applyPlan } from './apply.ts';
import { type Plan, type PlanOptions, planProtection } from './plan.ts';
import type { Profile } from './profile.ts';
import { placeOf, readSubjects } from './subject.ts';

export interface ProfileApplierOptions {
  profiles: readonly Profile[];
  plan: PlanOptions;
  ledger: UndoLedger;
  /** @param latencyNs time from execve(2) until the value was written. null: the process was already running */
  onApplied: (applied: Applied, latencyNs: bigint | null) => void;
  /**
   * `count` calls of execve(2) were not reported: see `ExecStreamOptions`. All processes are checked again.
   */
  onLost: (count: number) => void;
  /** A process could not be handled. The others are not affected. */
  onError: (error: unknown) => void;
}

export class ProfileApplier implements Disposable {
  readonly #options: ProfileApplierOptions;
  readonly #execs: ExecStream;

  /** Applies the profiles to every program that is executed from now on. @throws OomscopeError as `ExecStream` */
  constructor(options: ProfileApplierOptions) {
    this.#options = options;
    this.#execs = new ExecStream({
      onExec: (exec) => this.#onExec(exec),
      onLost: (count) => {
        options.onLost(count);
        this.applyToAll();
      },
      onError: options.onError,
    });
  }

  /** Applies the profiles to all running processes. @throws OomscopeError OUTPUT: the ledger cannot be written */
  applyToAll(plan: Plan = planProtection(readSubjects(), this.#options.profiles, this.#options.plan)): Applied[] {
    const { ledger, onApplied } = this.#options;
    return applyPlan(plan.entries, ledger, (applied) => onApplied(applied, null));
  }

  close(): void {
    this.#execs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #onExec(exec: Exec): void {
    const { profiles, plan, ledger, onApplied, onError } = this.#options;
    const place = placeOf(exec.pid);
    if (!place) return; // the process has already exited
    // Directly after execve(2), a process holds almost no memory.
    const subject = { ...exec, ...place, memoryPerMille: 0 };
    try {
      const { entries } = planProtection([subject], profiles, plan);
      applyPlan(entries, ledger, (applied) => onApplied(applied, process.hrtime.bigint() - exec.monoNs));
    } catch (error) {
      onError(error instanceof OomscopeError ? error : new Error(String(error), { cause: error }));
    }
  }
}

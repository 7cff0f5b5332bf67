/** Applies profiles to processes as they start a program. */
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
  /** @param latencyNs from exec to the written value. null: the process was there before */
  onApplied: (applied: Applied, latencyNs: bigint | null) => void;
  /** The kernel's ring was full, and this many execs were lost: all processes are checked again. */
  onLost: (count: number) => void;
  /** An entry could not be applied. The others go on. */
  onError: (error: unknown) => void;
}

export class ProfileApplier implements Disposable {
  readonly #options: ProfileApplierOptions;
  readonly #execs: ExecStream;

  /** Applies to every program that is started from now on. @throws OomscopeError as `ExecStream` */
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

  /** Applies to all present processes. @throws OomscopeError OUTPUT: the ledger cannot be written */
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
    if (!place) return; // it has exited already
    // It holds next to no memory yet.
    const subject = { ...exec, ...place, memoryPerMille: 0 };
    try {
      const { entries } = planProtection([subject], profiles, plan);
      applyPlan(entries, ledger, (applied) => onApplied(applied, process.hrtime.bigint() - exec.monoNs));
    } catch (error) {
      onError(error instanceof OomscopeError ? error : new Error(String(error), { cause: error }));
    }
  }
}

/** Keeps profiles applied: to whatever is started, as it is started. */
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
  /** @param latencyNs from its exec to the value. null: it was there before. */
  onApplied: (applied: Applied, latencyNs: bigint | null) => void;
  /** Too many came at once: all processes are looked at again. */
  onLost: (count: number) => void;
  /** It goes on, unless the journal takes no more. */
  onError: (error: unknown) => void;
}

export class ProfileApplier implements Disposable {
  readonly #options: ProfileApplierOptions;
  readonly #execs: ExecStream;

  /** Hears of what is executed from here on. @throws OomscopeError as `ExecStream` */
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

  /** What runs now. @throws OomscopeError OUTPUT: the journal takes no more */
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
    if (!place) return; // ended already
    // It holds next to nothing yet.
    const subject = { ...exec, ...place, memoryPerMille: 0 };
    try {
      const { entries } = planProtection([subject], profiles, plan);
      applyPlan(entries, ledger, (applied) => onApplied(applied, process.hrtime.bigint() - exec.monoNs));
    } catch (error) {
      onError(error instanceof OomscopeError ? error : new Error(String(error), { cause: error }));
    }
  }
}

/** Announces the outcome for an armed target whose condition was met, with the same events as a response. */
import type { GuardReading, StuckDiagnosis } from '../../model/guard.ts';
import type { ProcessEnd, ProcessHandle } from '../../process/process-handle.ts';
import type { Turn } from '../../process/turns.ts';
import { Attempt, type AttemptContext } from '../ladder/attempt.ts';
import { diagnose } from '../ladder/diagnose.ts';
import type { Victim } from '../ladder/victim.ts';
import { DYING_PATIENCE_MS } from '../rules/decide.ts';
import { identity } from '../rules/protect.ts';
import type { Armed } from './armed.ts';
import type { Fired } from './fired.ts';
import { killOthers } from './others-of-victim.ts';
import type { Ranked } from './standing-ranking.ts';

export interface ArmedTarget extends Ranked {
  armed: Armed;
  handle: ProcessHandle;
  /**
   * Number of processes that the kernel's OOM killer had killed since boot when the target was ranked. null: unknown.
   */
  kernelKills: number | null;
  /** Held while the target is armed, so that no other guard arms one at this place. */
  turn: Turn;
}

/** A refused signal to the same process is announced again after this time (ms). */
const REPEAT_REFUSAL_MS = 10_000;
/** How long the result waits for the other processes of a victim, after the first one has exited (ms). */
const OTHERS_MS = 2000;

export class ArmedOutcomes {
  readonly #context: Omit<AttemptContext, 'signal'>;
  /** Time of the last announced refusal, by the identity of the process. */
  readonly #refusals = new Map<string, number>();

  constructor(context: Omit<AttemptContext, 'signal'>) {
    this.#context = context;
  }

  /**
   * Call it when the signal was sent, or when the process was already exiting. Resolves when the process has exited, when
   * it counts as stuck, or when `signal` aborts.
   */
  async exiting(target: ArmedTarget, fired: Fired, signal: AbortSignal): Promise<void> {
    const { outcome, triggerNs, signalNs } = fired;
    const attempt = this.#attempt(target, fired, signal);
    const detail = armedDetail(fired);
    if (outcome === 'signalled') attempt.killedEarly(signalNs ?? triggerNs, detail);
    else attempt.action('kill', 'failed', detail);
    using others = outcome === 'signalled' ? this.#killOthers(target, attempt) : undefined;
    const end = await ended(target.handle, signal);
    if (end === 'stopped') return attempt.result('abandoned');
    if (others) await Promise.race([others.exited, aborted(withTimeout(signal, OTHERS_MS))]);
    if (!('stuck' in end)) return attempt.exited(end.monoNs);
    const { policy, machine } = this.#context;
    policy.stuck(target.victim.target, machine.levels().mono_ms);
    attempt.result('survived', end);
  }

  /**
   * Call it when the signal was refused. The process is still alive and may be armed again immediately, so its refusal
   * is not announced each time.
   */
  refused(target: ArmedTarget, fired: Fired): void {
    const key = identity(target.victim.target);
    const now = performance.now();
    for (const [other, atMs] of this.#refusals) if (now - atMs > REPEAT_REFUSAL_MS) this.#refusals.delete(other);
    if (this.#refusals.has(key)) return;
    this.#refusals.set(key, now);
    const attempt = this.#attempt(target, fired, AbortSignal.abort());
    const why = `the signal was refused: ${fired.error}`;
    attempt.action('kill', 'failed', `armed: ${why}`);
    attempt.result('survived', {}, why);
  }

  /** @returns the other processes of the victim; undefined: there are none, or they could not be killed */
  #killOthers(target: ArmedTarget, attempt: Attempt): Victim | undefined {
    try {
      const killed = killOthers(target, this.#context);
      if (killed) attempt.killedOthers(killed.reached, killed.by);
      return killed?.others;
    } catch (error) {
      attempt.action('kill', 'failed', `the other processes: ${(error as Error).message}`);
      return undefined;
    }
  }

  #attempt(target: ArmedTarget, { triggerNs, fruitlessRounds }: Fired, signal: AbortSignal): Attempt {
    const { victim, ranking, sample, kernelKills, armed } = target;
    const readings = [{ ...armedReading(armed.condition.fruitlessRounds), value: fruitlessRounds }];
    const choice = { kind: 'kill' as const, fired: { ...target.fired, readings }, victim, ranking };
    return new Attempt({ ...this.#context, signal }, choice, sample, triggerNs, kernelKills);
  }
}

export const armedReading = (rounds: number): GuardReading => ({
  detector: `armed: ${rounds} fruitless reclaims`,
  value: null,
  limit: rounds,
  unit: 'rounds',
  held_ns: 0,
});

export const armedDetail = ({ outcome, by }: Fired) => `armed: ${outcome} by ${by}`;

/**
 * Resolves when the process has exited, or when it counts as stuck: after ten seconds, its memory does not shrink. `stopped`: `signal`
 * has aborted before.
 */
export async function ended(
  { exited, pid }: ProcessHandle,
  signal: AbortSignal,
): Promise<ProcessEnd | { stuck: StuckDiagnosis } | 'stopped'> {
  while (!signal.aborted) {
    const end = await Promise.race([exited, aborted(withTimeout(signal, DYING_PATIENCE_MS))]);
    if (end) return end;
    if (signal.aborted) break;
    const stuck = await diagnose(pid);
    if (stuck.state !== null && !stuck.memory_falling) return { stuck };
  }
  return 'stopped';
}

const withTimeout = (signal: AbortSignal, ms: number) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

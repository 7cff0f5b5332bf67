/**
 * Follows each victim from the time when the kernel marks it (oom:mark_victim) until its memory is freed.
 */
import { OomStep, type OomStepRecord } from '../bpf/wire/layout.ts';
import type { LimitCgroup } from '../model/cgroup-usage.ts';
import type { Envelope } from '../model/envelope.ts';
import type { OomKill, OomReaped, Victim } from '../model/oom-kill.ts';

/** The facts of an `oom.reaped` event, and the time of the last step. */
export interface Reaping {
  atNs: bigint;
  facts: Omit<OomReaped, keyof Envelope>;
}

/** The facts of a kill that the tracker needs. Facts about the victim may still be added after start(). */
export interface MarkedKill extends Pick<OomKill, 'id' | 'mono_ns' | 'signal_to_mark_ns'> {
  victim: Pick<Victim, 'pid' | 'tid' | 'comm' | 'start_ticks' | 'memory'>;
  limit: Pick<LimitCgroup, 'usage_bytes'> | null;
}

interface Followed {
  kill: MarkedKill;
  markNs: bigint;
  /** When each step first happened, by enum oom_step. */
  steps: Map<number, bigint>;
  usageAfterPages: bigint | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * A victim whose memory is not freed after this time is reported as unfinished. The kernel's OOM reaper starts after 2
 * s.
 */
const PATIENCE_MS = 30_000;

export class ReapTracker {
  readonly #followed = new Map<number, Followed>();
  readonly #pageBytes: number;
  readonly #emit: (reaping: Reaping) => void;

  constructor(pageBytes: number, emit: (reaping: Reaping) => void) {
    this.#pageBytes = pageBytes;
    this.#emit = emit;
  }

  /** Whether this process is already followed: the kernel may mark several threads of one victim. */
  follows(pid: number, startTicks: number | null): boolean {
    const known = this.#followed.get(pid);
    return known !== undefined && known.kill.victim.start_ticks === startTicks;
  }

  /** Follows a marked process. A process that shares a victim's memory has no mark of its own and is not followed. */
  start(kill: MarkedKill): void {
    const { pid } = kill.victim;
    this.#finish(pid, BigInt(kill.mono_ns)); // an earlier victim with this pid, whose memory was not seen to be freed
    const followed: Followed = {
      kill,
      markNs: BigInt(kill.mono_ns),
      steps: new Map(),
      usageAfterPages: undefined,
      timer: undefined,
    };
    this.#followed.set(pid, followed);
    // A rehearsed victim is gone with its batch. A timer for it would wake an idle process, although it is cleared.
    queueMicrotask(() => {
      if (this.#followed.get(pid) !== followed) return;
      followed.timer = setTimeout(() => this.#finish(pid, process.hrtime.bigint()), PATIENCE_MS).unref();
    });
  }

  step(record: OomStepRecord): void {
    const followed = this.#followed.get(record.pid);
    if (!followed) return;
    const { steps } = followed;
    const step = record.step;
    if (!steps.has(step)) steps.set(step, record.header.ktime_ns);
    const back = step === OomStep.STEP_MM_GONE || step === OomStep.STEP_REAPER_FINISH;
    if (back && followed.usageAfterPages === undefined && record.limit_id !== 0n) {
      followed.usageAfterPages = record.limit_usage_pages;
    }
    const gone = steps.has(OomStep.STEP_MM_GONE) || followed.kill.victim.memory === null;
    if (gone && steps.has(OomStep.STEP_EXIT)) this.#finish(record.pid, record.header.ktime_ns);
  }

  /** Reports every victim that is still followed. */
  close(): void {
    for (const pid of [...this.#followed.keys()]) this.#finish(pid, process.hrtime.bigint(), true);
  }

  /** @param isClosing whether the tracer is closed before the victim was followed for long enough */
  #finish(pid: number, atNs: bigint, isClosing = false): void {
    const followed = this.#followed.get(pid);
    if (!followed) return;
    this.#followed.delete(pid);
    clearTimeout(followed.timer);
    const { kill, markNs, steps } = followed;
    const since = (...wanted: number[]) => {
      const times = wanted.flatMap((step) => steps.get(step) ?? []);
      return times.length === 0 ? null : Number(times.reduce((a, b) => (a < b ? a : b)) - markNs);
    };
    const finish = since(OomStep.STEP_REAPER_FINISH);
    const gone = since(OomStep.STEP_MM_GONE);
    const reaped = finish !== null && (gone === null || finish < gone);
    const exited = gone !== null || (kill.victim.memory === null && steps.has(OomStep.STEP_EXIT));
    this.#emit({
      atNs,
      facts: {
        type: 'oom.reaped',
        victim: { pid, tid: kill.victim.tid, comm: kill.victim.comm, start_ticks: kill.victim.start_ticks },
        kill_id: kill.id,
        outcome: reaped ? 'reaped' : exited ? 'exited' : 'unfinished',
        cut_short: isClosing && !reaped && !exited,
        reaper_skipped: steps.has(OomStep.STEP_REAPER_SKIP),
        mark_to_signal_ns: kill.signal_to_mark_ns === null ? null : -kill.signal_to_mark_ns,
        mark_to_exit_ns: since(OomStep.STEP_EXIT),
        mark_to_reaper_wake_ns: since(OomStep.STEP_REAPER_WAKE),
        mark_to_reaper_start_ns: since(OomStep.STEP_REAPER_START),
        mark_to_reaper_finish_ns: finish,
        mark_to_memory_back_ns: since(OomStep.STEP_REAPER_FINISH, OomStep.STEP_MM_GONE),
        limit_usage_before_bytes: kill.limit?.usage_bytes ?? null,
        limit_usage_after_bytes:
          followed.usageAfterPages === undefined ? null : Number(followed.usageAfterPages) * this.#pageBytes,
      },
    });
  }
}

/**
 * Reports every execve(2) of the machine from a BPF program, without polling, so that short-lived processes are also
 * reported.
 */
import { type Attached, attachObject } from '../bpf/load/attach.ts';
import { AttachedRing } from '../bpf/load/ring.ts';
import { skippedRuns } from '../bpf/load/skipped-runs.ts';
import { refuseObstacle } from '../bpf/load/tracer-loader.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { lostRecords } from '../bpf/wire/counters.ts';
import { ProcessExecRecord, RecordKind } from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import type { ProcessRecord } from '../linux/process-record.ts';
import { OomscopeError } from '../model/error.ts';
import { decode, untilNul } from '../text/printable.ts';

/**
 * Size of the BPF ring buffer. It holds 4,000 records, about as many as there are execve(2) calls in one second on a
 * machine that compiles software.
 */
const RING_BYTES = 256 * 1024;
/** When losses are counted after a batch (ms): a program that a batch has preempted has ended by then, on most machines. */
const CHECK_MS = 200;

/** A process at the moment when it has executed a program. */
export interface Exec extends Pick<ProcessRecord, 'pid' | 'startTicks' | 'ppid' | 'uid' | 'comm' | 'oomScoreAdj'> {
  /** Time of the execve(2), CLOCK_MONOTONIC in ns. */
  monoNs: bigint;
}

export interface ExecStreamOptions {
  onExec: (exec: Exec) => void;
  /**
   * `count` more calls of execve(2) were not reported: the BPF ring buffer was full, or the kernel skipped the program. Linux 7.2
   * does so on a CPU where the program has been preempted.
   */
  onLost: (count: number) => void;
  onError: (error: unknown) => void;
}

export class ExecStream implements Disposable {
  readonly #ring: AttachedRing;
  readonly #options: ExecStreamOptions;
  readonly #programFd: number;
  #lost = 0;
  #check: NodeJS.Timeout | undefined;

  /**
   * Starts immediately. @throws OomscopeError NOT_PERMITTED, KERNEL_TOO_OLD, LIBBPF_MISSING, ADDON_MISSING,
   * OBJECT_MISSING, LIBBPF
   */
  constructor(options: ExecStreamOptions) {
    refuseObstacle();
    this.#options = options;
    const { attached, program } = attach();
    this.#programFd = attached.object.programs.find(({ name }) => name === program)?.fd ?? -1;
    this.#ring = new AttachedRing(attached, { onBatch: (batch) => this.#take(batch), onError: options.onError });
  }

  close(): void {
    this.#ring.close();
    clearTimeout(this.#check);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(batch: Batch): void {
    batch.walk((kind, at) => {
      if (kind === RecordKind.RECORD_PROCESS_EXEC) this.#options.onExec(execOf(new ProcessExecRecord(batch.view, at)));
    });
    this.#check ??= setTimeout(() => {
      this.#check = undefined;
      try {
        this.#countLost();
      } catch (error) {
        this.#options.onError(error);
      }
    }, CHECK_MS).unref();
  }

  #countLost(): void {
    const full = lostRecords(this.#ring.reader.counters())[RecordKind.RECORD_PROCESS_EXEC] ?? 0;
    const lost = full + skippedRuns(this.#programFd);
    if (lost > this.#lost) this.#options.onLost(lost - this.#lost);
    this.#lost = lost;
  }
}

/** Attaches the BPF program as tp_btf; where the kernel's BTF does not describe the tracepoint, as raw_tp. */
function attach(): { attached: Attached; program: string } {
  const by = (program: string) => ({
    attached: attachObject({ file: 'exec.bpf.o', programs: new Set([program]), constants: {}, ringBytes: RING_BYTES }),
    program,
  });
  try {
    return by('process_exec');
  } catch (error) {
    if (!(error instanceof OomscopeError) || error.code !== 'LIBBPF') throw error;
    return by('process_exec_raw');
  }
}

function execOf(record: ProcessExecRecord): Exec {
  return {
    pid: record.pid,
    startTicks: toTicks(record.start_ns),
    ppid: record.ppid,
    uid: record.uid,
    comm: decode(untilNul(record.comm)).text,
    oomScoreAdj: record.oom_score_adj,
    monoNs: record.header.ktime_ns,
  };
}
